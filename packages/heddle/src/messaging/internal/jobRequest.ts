import type * as Duration from "effect/Duration"
import { toMillis } from "../../coordination/internal/leaseRequest.ts"
import type { ClaimRequest, End, Failure, Headers, NewJob } from "../Job.ts"
import { InvalidJob } from "../Job.ts"
import * as JobAbility from "../JobAbility.ts"
import type { Claim, Entry, Settlement } from "../JobBackend.ts"

const day = 86_400_000
const mostBytes = 1_000_000
const mostReport = 65_536
const mostHeaders = 16_384
const mostCause = 8192
const mostJobs = 10_000
const hour = 3_600_000

const invalid = (field: string, message: string) => new InvalidJob({ field, message: `${field} ${message}` })

const isWhole = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max

const isName = (text: string): boolean => text.length >= 1 && text.length <= 200 && text.isWellFormed()

export const checkQueue = (queue: string): InvalidJob | undefined =>
  /^[\w.:/-]{1,128}$/.test(queue) ? undefined : invalid("queue", "must be 1 to 128 letters, digits and . _ : / -")

export const checkId = (id: string, field = "id"): InvalidJob | undefined =>
  isName(id) ? undefined : invalid(field, "must be a well-formed string of 1 to 200 characters")

export const checkLimit = (limit: number): InvalidJob | undefined =>
  isWhole(limit, 1, 1000) ? undefined : invalid("limit", "must be a whole number from 1 to 1,000")

export const checkCount = (count: number): InvalidJob | undefined =>
  count <= mostJobs ? undefined : invalid("jobs", "must be at most 10,000 at once")

const checkBytes = (field: string, value: Uint8Array | undefined): InvalidJob | undefined =>
  value === undefined || value.length <= mostBytes ? undefined : invalid(field, "must have at most 1,000,000 bytes")

export const checkReport = (value: Uint8Array): InvalidJob | undefined =>
  value.length <= mostReport ? undefined : invalid("value", "must have at most 65,536 bytes")

const checkHeaders = (headers: Headers): InvalidJob | undefined => {
  let size = 0
  for (const name in headers) {
    const value = headers[name] ?? ""
    if (!/^[a-z\d-]+$/.test(name)) return invalid("headers", "must have names of lower-case letters, digits and -")
    if (!/^[\x20-\x7e]*$/.test(value)) return invalid("headers", "must have values of printable ASCII")
    size += name.length + value.length
  }
  return size <= mostHeaders ? undefined : invalid("headers", "must have at most 16,384 characters in all")
}

/** What a job asks for that the store does not do. */
const checkAbilities = (job: NewJob, abilities: ReadonlySet<JobAbility.Any>): InvalidJob | undefined => {
  const lacks = (field: keyof NewJob, ability: JobAbility.Any) =>
    job[field] === undefined || abilities.has(ability) ? undefined : invalid(field, "is not what this store does")
  return lacks("id", JobAbility.Unique) ?? lacks("delay", JobAbility.Delay) ??
    lacks("priority", JobAbility.Priority) ?? lacks("key", JobAbility.KeyOrder)
}

const checkDelay = (delay: number): InvalidJob | undefined =>
  delay >= 0 && delay <= 365 * day ? undefined : invalid("delay", "must be a duration from 0 to a year")

export const toEntry = (
  job: NewJob,
  freshId: () => string,
  abilities: ReadonlySet<JobAbility.Any>
): Entry | InvalidJob => {
  const { headers = {}, id, key, maxAttempts = 10, payload, priority = 0 } = job
  const delay = toMillis(job.delay, 0)
  const keep = toMillis(job.keep, id === undefined ? 0 : hour)
  const wrong = (id === undefined ? undefined : checkId(id)) ?? (key === undefined ? undefined : checkId(key, "key")) ??
    checkBytes("payload", payload) ?? checkHeaders(headers) ?? checkDelay(delay) ?? checkAbilities(job, abilities)
  if (wrong !== undefined) return wrong
  if (!isWhole(priority, 0, 9)) return invalid("priority", "must be a whole number from 0 to 9")
  if (!isWhole(maxAttempts, 1, 1000)) return invalid("maxAttempts", "must be a whole number from 1 to 1,000")
  if (!(keep >= 0 && keep <= 30 * day)) return invalid("keep", "must be a duration from 0 to 30 days")
  return {
    id: id ?? freshId(),
    payload,
    headers,
    key,
    priority,
    delay: Math.ceil(delay),
    maxAttempts,
    keep: Math.ceil(keep)
  }
}

/** A checked claim, and how long to wait for it. */
export const toClaim = (
  queue: string,
  owner: string,
  request: ClaimRequest
): { readonly claim: Claim; readonly waitFor: number } | InvalidJob => {
  const { max = 1 } = request
  const ttl = toMillis(request.ttl, 30_000)
  const waitFor = toMillis(request.waitFor, 30_000)
  const wrong = checkQueue(queue)
  if (wrong !== undefined) return wrong
  if (!isWhole(max, 1, 1000)) return invalid("max", "must be a whole number from 1 to 1,000")
  if (!(ttl >= 10 && ttl <= day)) return invalid("ttl", "must be a duration from 10 milliseconds to 1 day")
  if (!(waitFor >= 0)) return invalid("waitFor", "must be a duration of 0 or more")
  return { claim: { queue, max, ttl: Math.ceil(ttl), owner, wait: waitFor > 0 }, waitFor }
}

const toFailure = ({ cause, error }: Failure): Failure => {
  const short = cause.length > mostCause ? cause.slice(0, mostCause) : cause
  return { cause: short.toWellFormed(), error }
}

const toDelay = (delay: Duration.Input): number => Math.ceil(toMillis(delay, 0))

export const toSettlement = (end: End): Settlement | InvalidJob => {
  switch (end._tag) {
    case "Completed":
      return checkBytes("result", end.result) ?? { _tag: "Completed", result: end.result }
    case "Retry": {
      const delay = toDelay(end.delay)
      return checkDelay(delay) ?? checkBytes("error", end.failure.error) ??
        { _tag: "Retry", delay, failure: toFailure(end.failure) }
    }
    case "Dead":
      return checkBytes("error", end.failure.error) ?? { _tag: "Dead", failure: toFailure(end.failure) }
    case "HandedBack":
      return end
  }
}
