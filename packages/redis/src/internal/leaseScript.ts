import type { Lease, LeaseBackend } from "heddle/coordination"
import { createHash } from "node:crypto"
import { leaseLua } from "./leaseLua.ts"

/** A script and the digest that the server knows it by. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** The script, given Lua that sets `micros`: the time in microseconds since 1970. */
export const scriptWith = (time: string, sharded = false): Script => {
  const lua = leaseLua(time, sharded)
  return { lua, sha: createHash("sha1").update(lua).digest("hex") }
}

const serverTime = `
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
`

/** The script on the server's own clock. */
export const leaseScript: Script = scriptWith(serverTime)

/** The same for the nodes of a cluster. */
export const shardedLeaseScript: Script = scriptWith(serverTime, true)

/** What a batch says once for all of its operations: whose it is, and what holds for each claim in it. */
export interface Header {
  readonly session: string
  /** The channel prefix of inboxes. */
  readonly inbox: string
  /** Milliseconds. */
  readonly patience: number
  /** The owner of claims that name no other. */
  readonly owner: string
}

export type Args = ReadonlyArray<string | number>

export const claim = (claim: LeaseBackend.Claim, { owner }: Pick<Header, "owner">): Args => {
  const { id, limit, permits, tokens, ttl, value } = claim
  const wait = claim.wait ? 1 : 0
  const own = claim.owner === owner
  // A mutex, as a lock claims it.
  if (limit === 1 && tokens === 1 && own && value === "") return [6, id, ttl, wait, 0]
  return [1, id, permits, limit, tokens, ttl, wait, own ? 0 : claim.owner, value, 0]
}

/** The same claim, when an earlier one may have come through. */
export const again = (args: Args): Args => args[0] === 1 || args[0] === 6 ? [...args.slice(0, -1), 1] : args

export const renew = (claim: LeaseBackend.Claim): Args => [2, claim.id, claim.ttl]
export const release = (claim: LeaseBackend.Claim, remember: number): Args => [3, claim.id, remember]
export const update = ({ id }: LeaseBackend.Claim, { permits, value }: LeaseBackend.Change): Args => [
  4,
  id,
  value ?? 0,
  permits ?? 0
]
export const resize = (limit: number): Args => [7, limit]
export const inspect: Args = [5]

export const encode = (of: Header, ops: ReadonlyArray<{ readonly args: Args }>): string => {
  const all: Array<string | number> = [of.session, of.inbox, of.patience, of.owner]
  for (const { args } of ops) for (const arg of args) all.push(arg)
  return JSON.stringify(all)
}

/** What an inspection found; `next` is after how many ms a lease or a waiter in it may end by itself. */
export interface Looked {
  readonly inspection: Lease.Inspection
  readonly next: number | undefined
}

/** Reads the answer to `inspect`. */
export const looked = (reply: string): Looked => {
  const [next, limit, holders, waiters] = JSON.parse(reply) as readonly [
    next: number | null,
    limit: number | null,
    holders: ReadonlyArray<
      readonly [id: string, owner: string, value: string, permits: string, token: string, age: string]
    >,
    waiters: ReadonlyArray<readonly [id: string, owner: string, permits: string, age: string]>
  ]
  return {
    next: next ?? undefined,
    inspection: {
      limit: limit ?? undefined,
      holders: holders.map(([id, owner, value, permits, token, age]) => ({
        id,
        owner,
        value,
        permits: Number(permits),
        token: BigInt(token),
        age: Number(age)
      })),
      waiters: waiters.map(([id, owner, permits, age]) => ({ id, owner, permits: Number(permits), age: Number(age) }))
    }
  }
}
