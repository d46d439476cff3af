import { checkCount, checkMillis } from "../../flow/internal/options.ts"
import { InvalidOption } from "../../internal/InvalidOption.ts"
import type { Appended, Kept } from "../LogBackend.ts"
import type { From, NewEntry, Retention } from "../LogEntry.ts"
import { InvalidMessage, type MessageTooLarge } from "../Message.ts"
import { checkMessage } from "./brokerRequest.ts"
import { isSubject } from "./subjects.ts"

export const checkLog = (log: string): InvalidMessage | undefined =>
  isSubject(log)
    ? undefined
    : invalid("log", "must be tokens of letters, digits and _ - : / with . between them, 1 to 200 characters")

export const checkConsumer = (consumer: string): InvalidMessage | undefined =>
  /^[\w:/-]{1,100}$/.test(consumer)
    ? undefined
    : invalid("consumer", "must be 1 to 100 letters, digits and _ - : /")

/** The entries as a backend takes them, or why they are not appended. */
export const checkEntries = (
  log: string,
  entries: ReadonlyArray<NewEntry>,
  most: number
): ReadonlyArray<Appended> | InvalidMessage | MessageTooLarge => {
  const wrong = checkLog(log)
  if (wrong !== undefined) return wrong
  const checked: Array<Appended> = []
  for (const { headers, payload } of entries) {
    const one = checkMessage({ subject: log, payload, headers }, most)
    if (one._tag !== "Message") return one
    checked.push({ payload: one.payload, headers: one.headers })
  }
  return checked
}

export const checkFrom = (from: From): InvalidOption | undefined => {
  if (typeof from === "string") return undefined
  if ("offset" in from) return from.offset >= 0n ? undefined : wrong("from", "must have an offset of 0 or more")
  if ("last" in from) {
    return Number.isInteger(from.last) && from.last >= 1 && from.last <= 10_000
      ? undefined
      : wrong("from", "must have a whole number of last entries from 1 to 10,000")
  }
  return from.time >= 0 && from.time < Infinity
    ? undefined
    : wrong("from", "must have a time in milliseconds since 1970")
}

export const checkRetention = ({ age = Infinity, count = Infinity }: Retention): Kept | InvalidOption => {
  const bad = checkCount("retention.count", count)
  if (bad !== undefined) return bad
  const millis = checkMillis("retention.age", age)
  if (millis instanceof InvalidOption) return millis
  return millis >= 1000 ? { count, age: millis } : wrong("retention.age", "must be a duration of 1 second or more")
}

const invalid = (field: string, message: string) => new InvalidMessage({ field, message: `${field} ${message}` })

const wrong = (option: string, message: string) => new InvalidOption({ option, message: `${option} ${message}` })
