import type { LogBackend, LogEntry, LogTail } from "heddle/messaging"
import { createHash } from "node:crypto"
import { logLua } from "./logLua.ts"

/** A script and the digest that the server knows it by. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

const scriptOf = (lua: string): Script => ({ lua, sha: createHash("sha1").update(lua).digest("hex") })

export const logScript: Script = scriptOf(logLua(false))

/** The same for the node of a cluster. */
export const shardedLogScript: Script = scriptOf(logLua(true))

/** What the server answers with. */
export type Reply = Buffer | number | null | ReadonlyArray<Reply>

export type Args = ReadonlyArray<string | number | Buffer>

export const append = (
  channel: string,
  entries: ReadonlyArray<LogBackend.Appended>,
  { age, count }: LogBackend.Kept
): Args => {
  const args: Array<string | number | Buffer> = ["append", channel, bounded(count), bounded(Math.ceil(age * 1000))]
  for (const { headers, payload } of entries) {
    args.push(JSON.stringify(headers), Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength))
  }
  return args
}

const bounded = (bound: number): string => bound === Infinity ? "" : String(bound)

/** No entry has the offset 0. */
export const read = (from: bigint, most: number): Args => ["read", String(from < 1n ? 1n : from), most]

export const place = (from: Exclude<LogEntry.From, { offset: bigint }>): Args => {
  if (typeof from === "string") return ["place", from, 0]
  return "last" in from ? ["place", "last", from.last] : ["place", "time", Math.min(Math.ceil(from.time * 1000), far)]
}

/** Lua counts exactly up to here. */
const far = Number.MAX_SAFE_INTEGER

export const attach = (consumer: string): Args => ["attach", consumer]
export const commit = (consumer: string, token: bigint, offset: bigint): Args => [
  "commit",
  consumer,
  String(token),
  String(offset)
]
export const position = (consumer: string): Args => ["position", consumer]

const listOf = (reply: Reply | undefined): ReadonlyArray<Reply> => Array.isArray(reply) ? reply : []
const textOf = (reply: Reply | undefined): string => Buffer.isBuffer(reply) ? reply.toString() : ""

export const offsetOf = (reply: Reply | undefined): bigint => BigInt(textOf(reply))
export const offsetsOf = (reply: Reply): ReadonlyArray<bigint> => listOf(reply).map(offsetOf)

export const placeOf = (reply: Reply): LogBackend.Place => {
  const [offset, since] = listOf(reply)
  return { offset: offsetOf(offset), since: offsetOf(since) }
}

export const positionOf = (reply: Reply | undefined): bigint | undefined => {
  const text = textOf(reply)
  return text === "" ? undefined : BigInt(text)
}

export const attachedOf = (reply: Reply): LogBackend.Attached => {
  const [token, position] = listOf(reply)
  return { token: offsetOf(token), position: positionOf(position) }
}

export const pageOf = (reply: Reply): LogTail.Page => {
  const [kind, found] = listOf(reply)
  return textOf(kind) === "X"
    ? { _tag: "Gone", oldest: offsetOf(found) }
    : { _tag: "Found", entries: listOf(found).map(entryOf) }
}

const entryOf = (reply: Reply): LogEntry.Entry => {
  const [id, fields] = listOf(reply)
  const [, , , headers, , payload] = listOf(fields)
  const offset = BigInt(textOf(id).slice(0, -2))
  return {
    offset,
    time: Number(offset / 1000n),
    // Copied: a part of the reply would keep all of it.
    payload: new Uint8Array(Buffer.isBuffer(payload) ? payload : []),
    headers: JSON.parse(textOf(headers))
  }
}
