import type { Job, JobBackend } from "heddle/messaging"
import { createHash } from "node:crypto"
import { jobLua } from "./jobLua.ts"
import type { Args, Reply, Script } from "./kvScript.ts"

/** The script, given Lua that sets `micros`: the time in microseconds since 1970. */
export const scriptWith = (time: string, sharded = false): Script => {
  const lua = jobLua(time, sharded)
  return { lua, sha: createHash("sha1").update(lua).digest("hex") }
}

const serverTime = `
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
`

/** The script on the server's own clock. */
export const jobScript: Script = scriptWith(serverTime)

/** The same for the node of a cluster. */
export const shardedJobScript: Script = scriptWith(serverTime, true)

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const pushOptional = (args: Array<string | number | Buffer>, bytes: Uint8Array | undefined): void => {
  if (bytes === undefined) args.push(0, "")
  else args.push(1, toBuffer(bytes))
}

/** Most jobs have no headers. */
const packHeaders = (headers: Job.Headers): string => {
  for (const _ in headers) return JSON.stringify(headers)
  return ""
}

export const enqueue = (entries: ReadonlyArray<JobBackend.Entry>): Args => {
  const args: Array<string | number | Buffer> = ["enqueue", entries.length]
  for (const { delay, headers, id, keep, key, maxAttempts, payload, priority } of entries) {
    args.push(id, toBuffer(payload), packHeaders(headers), maxAttempts, keep)
    if (key === undefined && priority === 0 && delay === 0) args.push(0)
    else args.push(1, key ?? "", priority, delay)
  }
  return args
}
type Claim = Pick<JobBackend.Claim, "max" | "owner" | "ttl">
/** `waiter`: who waits where there is nothing, and whether it has asked before. */
export const claim = (
  { max, owner, ttl }: Claim,
  { asked, id }: { readonly id: string; readonly asked: boolean } = { id: "", asked: false }
): Args => ["claim", max, ttl, owner, id, asked ? 1 : 0]
/** A claim waits no longer: what it was given meanwhile goes back. */
export const leave = ({ max, owner, ttl }: Claim, waiter: string): Args => ["leave", waiter, max, ttl, owner]
export const extend = (held: ReadonlyArray<JobBackend.Held>): Args => [
  "extend",
  held.length,
  ...held.flatMap(({ id, token, ttl }) => [id, Number(token), ttl])
]

/** Ends claims, for each of which `settledOf` reads a letter. */
export const settle = (ends: ReadonlyArray<Ending>): Args => {
  const args: Array<string | number | Buffer> = ["settle", ends.length]
  for (const { held: { id, token }, settlement } of ends) {
    args.push(id, Number(token), letters[settlement._tag])
    if (settlement._tag === "Completed") pushOptional(args, settlement.result)
    else if (settlement._tag !== "HandedBack") {
      args.push(settlement._tag === "Retry" ? settlement.delay : 0, settlement.failure.cause)
      pushOptional(args, settlement.failure.error)
    }
  }
  return args
}
const letters = { Completed: "C", HandedBack: "H", Retry: "R", Dead: "D" } as const

/** A claim and how it ends. */
export interface Ending {
  readonly held: Pick<JobBackend.Held, "id" | "token">
  readonly settlement: JobBackend.Settlement
}
export const dead = (limit: number): Args => ["dead", limit]
export const redrive = (ids: ReadonlyArray<string> | undefined): Args => ["redrive", ids?.length ?? -1, ...ids ?? []]
export const purge = (what: "waiting" | "dead"): Args => ["purge", what]
export const inspect = (id: string): Args => ["inspect", id]
export const stats: Args = ["stats"]
export const cancel = (id: string): Args => ["cancel", id]
export const pause = (paused: boolean): Args => ["pause", paused ? 1 : 0]
export const report = ({ id, token }: Pick<JobBackend.Held, "id" | "token">, value: Uint8Array): Args => [
  "report",
  id,
  Number(token),
  toBuffer(value)
]
export const outcome = (id: string): Args => ["outcome", id]

export const listOf = (reply: Reply | undefined): ReadonlyArray<Reply> => Array.isArray(reply) ? reply : []
const textOf = (reply: Reply | undefined): string => Buffer.isBuffer(reply) ? reply.toString() : ""
/** Copied: a part of the reply would keep all of it. */
const bytesOf = (reply: Reply | undefined): Uint8Array => new Uint8Array(Buffer.isBuffer(reply) ? reply : [])
const someOf = (has: Reply | undefined, reply: Reply | undefined) => has === 1 ? bytesOf(reply) : undefined
const failureOf = (cause: Reply | undefined, has: Reply | undefined, reply: Reply | undefined): Job.Failure => {
  const error = someOf(has, reply)
  return error === undefined ? { cause: textOf(cause) } : { cause: textOf(cause), error }
}
const keyOf = (reply: Reply | undefined): string | undefined => textOf(reply) || undefined
const none: Job.Headers = Object.freeze({})
const headersOf = (reply: Reply | undefined): Job.Headers => {
  const text = textOf(reply)
  return text === "" ? none : JSON.parse(text) as Job.Headers
}

export const flagsOf = (reply: Reply): ReadonlyArray<boolean> => listOf(reply).map((one) => one === 1)
export const countOf = (reply: Reply): number => Number(reply)

export type Found = Omit<Job.Claimed, "queue" | "ttl" | "until">

/** What was claimed, or after how many milliseconds something may be there by itself; -1 for nothing. */
export const claimedOf = (reply: Reply): { readonly next: number; readonly found: ReadonlyArray<Found> } => {
  const [next, list, batch, now] = listOf(reply)
  const parts = listOf(list)
  const found: Array<Found> = []
  const token = BigInt(Number(batch))
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]
    if (Buffer.isBuffer(part)) found.push(plainOf(part, parts[++at], token, Number(now)))
    else found.push(foundOf(listOf(part)))
  }
  return { next: Number(next), found }
}

const foundOf = ([id, token, attempt, maxAttempts, key, payload, headers, age]: ReadonlyArray<Reply>): Found => ({
  id: textOf(id),
  token: BigInt(Number(token)),
  attempt: Number(attempt),
  maxAttempts: Number(maxAttempts),
  key: keyOf(key),
  payload: bytesOf(payload),
  headers: headersOf(headers),
  age: Number(age)
})

/** A plain job: its member, and its text as `jobLua` has it. */
const plainOf = (member: Buffer, text: Reply | undefined, token: bigint, now: number): Found => {
  const body = Buffer.isBuffer(text) ? text : Buffer.alloc(0)
  const head = body.toString("latin1", 17, 40)
  const end = 40 + Number(head.slice(17))
  return {
    id: member.toString("utf8", 16),
    token,
    attempt: 1,
    maxAttempts: Number(head.slice(13, 17)),
    key: undefined,
    payload: new Uint8Array(body.subarray(end)),
    headers: end === 40 ? none : JSON.parse(body.toString("utf8", 40, end)) as Job.Headers,
    age: now - Number(head.slice(0, 13))
  }
}

const ends: ReadonlyMap<number, JobBackend.Settled> = new Map([
  [0x43, "Completed"],
  [0x52, "Retried"],
  [0x44, "Dead"],
  [0x48, "HandedBack"]
])

/** What became of each end. */
export const settledOf = (reply: Reply): ReadonlyArray<JobBackend.Settled> => {
  const all: Array<JobBackend.Settled> = []
  if (Buffer.isBuffer(reply)) { for (const letter of reply) all.push(ends.get(letter) ?? "Lost") }
  return all
}

export const lettersOf = (reply: Reply): ReadonlyArray<Job.DeadLetter> =>
  listOf(reply).map((one) => {
    const [id, key, payload, headers, attempts, cause, has, error] = listOf(one)
    return {
      id: textOf(id),
      key: keyOf(key),
      payload: bytesOf(payload),
      headers: headersOf(headers),
      attempts: Number(attempts),
      failure: failureOf(cause, has, error)
    }
  })

const states = ["waiting", "delayed", "claimed", "dead", "ended"] as const

export const infoOf = (id: string, reply: Reply): Job.JobInfo | undefined => {
  const [word, attempts, key, owner] = listOf(reply)
  const state = states.find((state) => state === textOf(word))
  return state === undefined
    ? undefined
    : { id, state, attempts: Number(attempts), key: keyOf(key), owner: textOf(owner) || undefined }
}

export const statsOf = (reply: Reply): Job.Stats => {
  const [waiting = 0, delayed = 0, claimed = 0, dead = 0, paused = 0] = listOf(reply).map(Number)
  return { waiting, delayed, claimed, dead, paused: paused === 1 }
}

/** The token of the claim that is over, 0 where there was none; undefined where there was no job. */
export const cancelledOf = (reply: Reply): number | undefined => {
  const [known, token] = listOf(reply)
  return known === 1 ? Number(token) : undefined
}

/** How the job stands: what was reported last, or how it has ended. */
export const eventOf = (reply: Reply): Job.JobEvent | undefined => {
  const [kind, one, two, three] = listOf(reply)
  switch (textOf(kind)) {
    case "P": {
      const value = someOf(one, two)
      return value === undefined ? undefined : { _tag: "Progress", value }
    }
    case "C":
      return { _tag: "Ended", outcome: { _tag: "Completed", result: someOf(one, two) } }
    case "D":
      return { _tag: "Ended", outcome: { _tag: "Dead", failure: failureOf(one, two, three) } }
    case "X":
      return { _tag: "Ended", outcome: { _tag: "Cancelled" } }
    default:
      return { _tag: "Ended", outcome: { _tag: "Unknown" } }
  }
}
