import type * as Duration from "effect/Duration"
import type * as Backend from "../KvBackend.ts"
import type { Check, PutOptions, Transaction, Write } from "../KvEntry.ts"
import { InvalidKey } from "../KvEntry.ts"
import { toMillis } from "./leaseRequest.ts"

const day = 86_400_000
const mebibyte = 1_048_576
const mostKeys = 100

const invalid = (field: string, message: string) => new InvalidKey({ field, message: `${field} ${message}` })

const isText = (text: string, min: number, max = 1024): boolean =>
  text.length >= min && text.length <= max && text.isWellFormed()

export const checkText = (field: string, text: string, max: number): InvalidKey | undefined =>
  isText(text, 1, max)
    ? undefined
    : invalid(field, `must be a well-formed string of 1 to ${max.toLocaleString("en")} characters`)

export const checkKey = (key: string): InvalidKey | undefined => checkText("key", key, 1024)

export const checkPrefix = (prefix: string): InvalidKey | undefined =>
  isText(prefix, 0) ? undefined : invalid("prefix", "must be a well-formed string of at most 1,024 characters")

export const checkWhole = (field: string, value: number, most: number): InvalidKey | undefined =>
  Number.isInteger(value) && value >= 1 && value <= most
    ? undefined
    : invalid(field, `must be a whole number from 1 to ${most.toLocaleString("en")}`)

export const checkLimit = (limit: number): InvalidKey | undefined => checkWhole("limit", limit, 10_000)

export const checkRevision = (field: string, revision: bigint | undefined): InvalidKey | undefined =>
  revision === undefined || revision >= 0n ? undefined : invalid(field, "must be a revision: 0 or more")

export const checkMillis = (
  field: string,
  input: Duration.Input | undefined,
  otherwise: number,
  is: (millis: number) => boolean,
  what: string
): number | InvalidKey => {
  const millis = toMillis(input, otherwise)
  return is(millis) ? millis : invalid(field, `must be ${what}`)
}

/** How long to wait, in milliseconds, or what is wrong with it. */
export const waitMillis = (waitFor: Duration.Input | undefined): number | InvalidKey =>
  checkMillis("waitFor", waitFor, 30_000, (millis) => millis >= 0, "a duration of 0 or more")

/** How long to keep, in milliseconds, or what is wrong with it. */
export const retentionMillis = (retention: Duration.Input | undefined, otherwise: number): number | InvalidKey =>
  checkMillis(
    "retention",
    retention,
    otherwise,
    (millis) => (millis >= 10 && millis <= 400 * day) || millis === Infinity,
    "a duration from 10 milliseconds to 400 days, or Infinity"
  )

/** The lease's ttl in milliseconds, or what is wrong with it. */
export const leaseTtl = (ttl: Duration.Input | undefined): number | InvalidKey => {
  const millis = toMillis(ttl, 10_000)
  return millis >= 10 && millis <= day
    ? Math.ceil(millis)
    : invalid("ttl", "must be a duration from 10 milliseconds to 1 day")
}

const toPut = (key: string, value: Uint8Array, options: PutOptions): Backend.Write | InvalidKey => {
  if (value.byteLength > mebibyte) return invalid("value", "must have at most 1,048,576 bytes")
  if (options.ttl === undefined) return { _tag: "Put", key, value, lease: options.lease?.id, ttl: undefined }
  if (options.lease !== undefined) return invalid("ttl", "cannot be given beside a lease: the lease tells how long")
  const ttl = toMillis(options.ttl, NaN)
  return ttl >= 10 && ttl <= 400 * day
    ? { _tag: "Put", key, value, lease: undefined, ttl: Math.ceil(ttl) }
    : invalid("ttl", "must be a duration from 10 milliseconds to 400 days")
}

const toWrite = (write: Write): Backend.Write | InvalidKey => {
  const wrong = checkKey(write.key)
  if (wrong !== undefined) return wrong
  return write._tag === "Put" ? toPut(write.key, write.value, write) : { _tag: "Delete", key: write.key }
}

const checkCheck = ({ key, revision }: Check): InvalidKey | undefined =>
  checkKey(key) ?? checkRevision("revision", revision)

/** What is sent to the backend, or what is wrong with it. */
export const toCommit = ({ checks = [], writes }: Transaction): Backend.Commit | InvalidKey => {
  if (checks.length + writes.length > mostKeys) return invalid("writes", "and checks must be at most 100 together")
  if (writes.length === 0) return invalid("writes", "must not be empty")
  if (new Set(writes.map(({ key }) => key)).size < writes.length) return invalid("writes", "must name each key once")
  for (const check of checks) {
    const wrong = checkCheck(check)
    if (wrong !== undefined) return wrong
  }
  const checked: Array<Backend.Write> = []
  for (const write of writes) {
    const one = toWrite(write)
    if (one instanceof InvalidKey) return one
    checked.push(one)
  }
  return { checks, writes: checked }
}
