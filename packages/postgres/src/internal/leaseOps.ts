import type { Lease, LeaseBackend } from "heddle/coordination"
import { createHash } from "node:crypto"

/**
 * An operation as `leaseStepSql` takes it: a letter, an id, the token of the grant that is meant (0: any), a time (ms), and what
 * is not usual as JSON.
 *
 * `C`: claim, `c`: without standing in line; `A`, `a`: the same again, when an earlier one may have come through. `R`: renew.
 * `F`: release. `U`: update. `S`: resize. `I`: inspect. `W`: inspect, and be told of changes; `V`: no longer.
 */
export interface Args {
  readonly code: string
  readonly id: string
  readonly token: bigint
  readonly time: number
  readonly rest: string
}

/** A text of PostgreSQL holds everything but the character 0. */
export const escape = (text: string): string =>
  !/[\\\0]/.test(text) ? text : text.replace(/[\\\0]/g, (character) => character === "\0" ? "\\0" : "\\\\")

const unescape = (text: string): string =>
  !text.includes("\\") ? text : text.replace(/\\(.)/g, (_, character) => character === "0" ? "\0" : "\\")

const longest = 250

/** The resource's name as the tables have it. An index takes only short ones; `#` begins the digest of a long one. */
export const keyOf = (resource: string): string => {
  const key = escape(resource)
  return key.length <= longest && !key.startsWith("#")
    ? key
    : `#${createHash("sha256").update(resource).digest("base64url")}`
}

/** `owner` is who claims where a claim names no other. */
export const claim = (claim: LeaseBackend.Claim, owner: string): Args => {
  const { limit, permits, tokens, value } = claim
  const rest = {
    ...(permits === 1 ? {} : { p: permits }),
    ...(limit === 1 ? {} : { n: limit }),
    ...(tokens === 1 ? {} : { b: tokens }),
    ...(claim.owner === owner ? {} : { o: escape(claim.owner) }),
    ...(value === "" ? {} : { v: escape(value) })
  }
  return op(claim.wait ? "C" : "c", claim.id, claim.ttl, rest)
}

/** The same claim, when an earlier one may have come through. */
export const again = (args: Args): Args =>
  args.code === "C" ? { ...args, code: "A" } : args.code === "c" ? { ...args, code: "a" } : args

export const renew = (claim: LeaseBackend.Claim, token: bigint): Args => ({ ...op("R", claim.id, claim.ttl), token })
export const release = (claim: LeaseBackend.Claim, remember: number): Args => op("F", claim.id, remember)
export const update = (claim: LeaseBackend.Claim, { permits, value }: LeaseBackend.Change): Args =>
  op("U", claim.id, 0, {
    ...(permits === undefined ? {} : { p: permits }),
    ...(value === undefined ? {} : { v: escape(value) })
  })
export const resize = (limit: number): Args => op("S", "", 0, { n: limit })
export const inspect: Args = { code: "I", id: "", token: 0n, time: 0, rest: "" }
export const watch: Args = { ...inspect, code: "W" }
export const unwatch: Args = { ...inspect, code: "V" }

const op = (code: string, id: string, time: number, rest: Readonly<Record<string, string | number>> = {}): Args => {
  const json = JSON.stringify(rest)
  return { code, id, token: 0n, time, rest: json === "{}" ? "" : json }
}

/** The arguments of `leaseStepSql` that tell the operations. */
export const encode = (
  ops: ReadonlyArray<{ readonly key: string; readonly args: Args }>
): ReadonlyArray<unknown> => [
  ops.map(({ args }) => args.code).join(""),
  ops.map(({ key }) => key),
  ops.map(({ args }) => args.id),
  ops.map(({ args }) => args.token),
  ops.map(({ args }) => args.time),
  ops.map(({ args }) => args.rest)
]

/** What an inspection found; `next` is after how many ms a lease or a waiter in it may end by itself. */
export interface Looked {
  readonly inspection: Lease.Inspection
  readonly next: number | undefined
}

/** Reads the answer to `inspect` and `watch`. */
export const looked = (reply: string): Looked => {
  const [limit, next, holders, waiters] = JSON.parse(reply) as readonly [
    limit: number | null,
    next: number | null,
    holders: ReadonlyArray<
      readonly [id: string, owner: string, value: string, permits: number, token: string, age: number]
    >,
    waiters: ReadonlyArray<readonly [id: string, owner: string, permits: number, age: number]>
  ]
  return {
    next: next ?? undefined,
    inspection: {
      limit: limit ?? undefined,
      holders: holders.map(([id, owner, value, permits, token, age]) => ({
        id,
        owner: unescape(owner),
        value: unescape(value),
        permits,
        token: BigInt(token),
        age
      })),
      waiters: waiters.map(([id, owner, permits, age]) => ({ id, owner: unescape(owner), permits, age }))
    }
  }
}
