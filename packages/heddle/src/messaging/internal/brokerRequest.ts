import { checkCount } from "../../flow/internal/options.ts"
import { InvalidOption } from "../../internal/InvalidOption.ts"
import type { Headers, Message, NewMessage, SubscribeOptions } from "../Message.ts"
import { InvalidMessage, MessageTooLarge } from "../Message.ts"
import type { Settings } from "./inbox.ts"
import { isPattern, isSubject } from "./subjects.ts"

const mostHeaders = 8192

const invalid = (field: string, message: string) => new InvalidMessage({ field, message: `${field} ${message}` })

/** How many characters the headers have, or what is wrong with them. */
const sizeOf = (headers: Headers): number | InvalidMessage => {
  let size = 0
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[a-z\d-]+$/.test(name)) return invalid("headers", "must have names of lower-case letters, digits and -")
    if (!/^[\x20-\x7e]*$/.test(value) || value.trim() !== value) {
      return invalid("headers", "must have values of printable ASCII with no space around it")
    }
    size += name.length + value.length
  }
  return size <= mostHeaders ? size : invalid("headers", "must have at most 8,192 characters in all")
}

/** The message that is sent, or why it is not. */
export const checkMessage = (
  { headers = {}, payload, subject }: NewMessage,
  most: number
): Message | InvalidMessage | MessageTooLarge => {
  if (!isSubject(subject)) {
    return invalid("subject", "must be tokens of letters, digits and _ - : / with . between them, 1 to 200 characters")
  }
  const size = sizeOf(headers)
  if (size instanceof InvalidMessage) return size
  const bytes = payload.length + size
  return bytes <= most
    ? { _tag: "Message", subject, payload, headers }
    : new MessageTooLarge({ subject, bytes, most })
}

export const checkPattern = (pattern: string): InvalidMessage | undefined =>
  isPattern(pattern) ? undefined : invalid("pattern", "must be a subject whose tokens may be *, and the last one >")

export const checkGroup = (group: string): InvalidMessage | undefined =>
  /^[\w:/-]{1,100}$/.test(group) ? undefined : invalid("group", "must be 1 to 100 letters, digits and _ - : /")

export const checkSubscribing = (
  pattern: string,
  { buffer = 1024, whenFull = "dropOldest" }: SubscribeOptions,
  backpressure: boolean
): Settings | InvalidOption => {
  const wrong = checkCount("buffer", buffer)
  if (wrong !== undefined) return wrong
  if (whenFull === "wait" && !backpressure) {
    return new InvalidOption({ option: "whenFull", message: "this broker cannot make a publisher wait" })
  }
  return { pattern, buffer, whenFull }
}
