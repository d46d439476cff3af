import { KvMachine } from "heddle/coordination"
import type { KvBackend, KvEntry, KvWatches } from "heddle/coordination"
import { createHash } from "node:crypto"
import { kvLua } from "./kvLua.ts"

/** A script and the digest that the server knows it by. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** The script, given Lua that sets `micros`: the time in microseconds since 1970. */
export const scriptWith = (time: string, sharded = false): Script => {
  const lua = kvLua(time, sharded)
  return { lua, sha: createHash("sha1").update(lua).digest("hex") }
}

const serverTime = `
local time = redis.call("TIME")
local micros = time[1] * 1000000 + time[2]
`

/** The script on the server's own clock. */
export const kvScript: Script = scriptWith(serverTime)

/** The same for the node of a cluster. */
export const shardedKvScript: Script = scriptWith(serverTime, true)

/** What the server answers with. */
export type Reply = Buffer | number | null | ReadonlyArray<Reply>

export type Args = ReadonlyArray<string | number | Buffer>

export const get = (key: string): Args => ["get", key]

export const range = (prefix: string, after: string | undefined, limit: number): Args => {
  const behind = after !== undefined && KvMachine.compareKeys(after, prefix) >= 0
  return ["range", behind ? `(${after}` : `[${prefix}`, `(${prefix}`, limit]
}

export const commit = ({ checks, writes }: KvBackend.Commit): Args => {
  const args: Array<string | number | Buffer> = ["commit", checks.length]
  for (const { key, revision } of checks) args.push(key, String(revision))
  args.push(writes.length)
  for (const write of writes) {
    if (write._tag === "Delete") args.push("D", write.key)
    else args.push("P", write.key, toBuffer(write.value), write.lease ?? "", write.ttl ?? "")
  }
  return args
}

export const grant = (ttl: number): Args => ["grant", ttl]
export const renew = (leases: ReadonlyArray<KvBackend.Kept>): Args => [
  "renew",
  leases.length,
  ...leases.flatMap(({ id, ttl }) => [id, ttl])
]
export const revoke = (id: string): Args => ["revoke", id]
export const now: Args = ["now"]

/** `seen`: the revision up to which all is known, also that there was nothing to tell. */
export const since = ({ key, prefix }: KvBackend.Target, from: bigint, seen: bigint | undefined): Args => [
  "since",
  key,
  prefix ? 1 : 0,
  String(from < last ? from : last),
  seen === undefined ? "" : String(seen)
]

/** Lua counts exactly up to here, which no revision reaches in the next 200 years. */
const last = BigInt(Number.MAX_SAFE_INTEGER)

const toBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const listOf = (reply: Reply | undefined): ReadonlyArray<Reply> => Array.isArray(reply) ? reply : []
export const textOf = (reply: Reply | undefined): string => Buffer.isBuffer(reply) ? reply.toString() : ""
export const revisionOf = (reply: Reply | undefined): bigint => BigInt(textOf(reply))

export const entryOf = (key: string, reply: Reply | undefined): KvEntry.Entry | undefined => {
  if (!Buffer.isBuffer(reply)) return undefined
  const end = reply.indexOf("\n")
  const [created = "", revision = ""] = reply.toString("latin1", 0, end).split(" ")
  // Copied: a part of the reply would keep all of it.
  const value = new Uint8Array(reply.subarray(end + 1))
  return { key, value, revision: BigInt(revision), created: BigInt(created) }
}

export const rangeOf = (reply: Reply): KvEntry.Range => {
  const [revision, more, found] = listOf(reply)
  const entries = pairsOf(found).flatMap(([key, entry]) => entryOf(textOf(key), entry) ?? [])
  return { entries, revision: revisionOf(revision), more: more === 1 }
}

export const outcomeOf = ({ checks }: KvBackend.Commit, reply: Reply): KvBackend.Outcome => {
  const [kind, first, second] = listOf(reply)
  switch (textOf(kind)) {
    case "X":
      return { _tag: "Conflict", key: checks[Number(first) - 1]?.key ?? "", actual: revisionOf(second) }
    case "U":
      return { _tag: "Unleased", lease: textOf(first) }
    default:
      return { _tag: "Committed", revision: revisionOf(first), deleted: Number(second) }
  }
}

export const renewedOf = (reply: Reply): ReadonlyArray<boolean> => listOf(reply).map((one) => one === 1)

export const sinceOf = (reply: Reply): KvWatches.Found => {
  const [kind, first, revision, found] = listOf(reply)
  if (textOf(kind) === "X") return { _tag: "Gone", oldest: revisionOf(first) }
  return {
    _tag: "Found",
    seen: revisionOf(first),
    revision: revisionOf(revision),
    changed: listOf(found).flatMap((one) => changedOf(one) ?? [])
  }
}

/** Reads what is published: the revision before, the one now, when the next lease ends, and the keys, unless they are many. */
export const wordOf = (message: string): KvWatches.Word => {
  const [before, revision, next, ...keys] = JSON.parse(message) as readonly [string, string, number, ...Array<string>]
  return { before: BigInt(before), revision: BigInt(revision), next, keys }
}

const changedOf = (reply: Reply): KvEntry.Changed | undefined => {
  const [revision, changes] = listOf(reply)
  const [first, ...others] = pairsOf(changes)
    .map(([key, entry]) => changeOf(textOf(key), entry))
    .sort((one, other) => KvMachine.compareKeys(keyOf(one), keyOf(other)))
  return first === undefined ? undefined : { revision: revisionOf(revision), changes: [first, ...others] }
}

const changeOf = (key: string, reply: Reply | undefined): KvEntry.Change => {
  const entry = Buffer.isBuffer(reply) && reply.length > 0 ? entryOf(key, reply) : undefined
  return entry === undefined ? { _tag: "Delete", key } : { _tag: "Put", entry }
}

const keyOf = (change: KvEntry.Change): string => change._tag === "Put" ? change.entry.key : change.key

const pairsOf = (reply: Reply | undefined): ReadonlyArray<readonly [Reply | undefined, Reply | undefined]> => {
  const list = listOf(reply)
  return Array.from({ length: list.length / 2 }, (_, n) => [list[2 * n], list[2 * n + 1]])
}
