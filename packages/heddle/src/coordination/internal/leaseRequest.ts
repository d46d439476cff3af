import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { InvalidClaim } from "../Lease.ts"
import type { ClaimRequest } from "../Lease.ts"

const day = 86_400_000

/** How many permits a resource can have: as good as no limit. */
export const mostPermits = 2 ** 31 - 1

export interface CheckedRequest {
  readonly resource: string
  readonly permits: number
  readonly limit: number
  readonly ttl: number
  readonly waitFor: number
  readonly owner: string
  readonly value: string
  readonly tokens: number
}

const invalid = (field: string, message: string) => new InvalidClaim({ field, message: `${field} ${message}` })

export const toMillis = (input: Duration.Input | undefined, otherwise: number): number => {
  if (input === undefined) return otherwise
  if (typeof input === "number") return input
  return Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })
}

const isWhole = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max

/** An ill-formed string (half of an emoji) would meet others of its kind under one key once it is encoded as UTF-8. */
const isText = (text: string, min: number, max: number): boolean =>
  text.length >= min && text.length <= max && text.isWellFormed()

export const checkResource = (resource: string): InvalidClaim | undefined =>
  isText(resource, 1, 1024)
    ? undefined
    : invalid("resource", "must be a well-formed string of 1 to 1,024 characters")

export const checkKey = (key: string, field = "key"): InvalidClaim | undefined =>
  isText(key, 1, 1000) ? undefined : invalid(field, "must be a well-formed string of 1 to 1,000 characters")

export const checkPasses = (passes: number | undefined): InvalidClaim | undefined =>
  passes === undefined || isWhole(passes, 1, 999)
    ? undefined
    : invalid("passes", "must be a whole number from 1 to 999")

export const checkValue = (value: string): InvalidClaim | undefined =>
  isText(value, 0, 65_536) ? undefined : invalid("value", "must be a well-formed string of at most 65,536 characters")

export const checkLimit = (limit: number): InvalidClaim | undefined =>
  isWhole(limit, 1, mostPermits) ? undefined : invalid("limit", "must be a whole number from 1 to 2,147,483,647")

export const checkPermits = (permits: number, most: number): InvalidClaim | undefined =>
  isWhole(permits, 1, most) ? undefined : invalid("permits", `must be a whole number from 1 to ${most}`)

export const checkRequest = (request: ClaimRequest, defaultOwner: string): CheckedRequest | InvalidClaim => {
  const { limit = 1, owner = defaultOwner, permits = 1, resource, tokens = 1, value = "" } = request
  const ttl = toMillis(request.ttl, 10_000)
  const waitFor = toMillis(request.waitFor, 30_000)
  const wrong = checkResource(resource) ?? checkValue(value) ?? checkLimit(limit) ?? checkPermits(permits, limit)
  if (wrong !== undefined) return wrong
  if (!isText(owner, 0, 1024)) return invalid("owner", "must be a well-formed string of at most 1,024 characters")
  if (!isWhole(tokens, 1, 1000)) return invalid("tokens", "must be a whole number from 1 to 1,000")
  if (!(ttl >= 10 && ttl <= day)) return invalid("ttl", "must be a duration from 10 milliseconds to 1 day")
  if (!(waitFor >= 0)) return invalid("waitFor", "must be a duration of 0 or more")
  return { resource, permits, limit, ttl: Math.ceil(ttl), waitFor, owner, value, tokens }
}
