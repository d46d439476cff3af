import { KvMachine } from "heddle/coordination"
import type { KvBackend, KvEntry, KvWatches } from "heddle/coordination"
import type { Rows } from "./Link.ts"

/** An operation as the step's function takes it: a letter and its words, and a value for each write. */
export interface Args {
  readonly words: ReadonlyArray<string>
  readonly blobs: ReadonlyArray<Uint8Array>
}

/** A text of PostgreSQL holds everything but the character 0. This keeps the order of the keys. */
export const escape = (key: string): string => key.replaceAll("\u0001", "\u0001\u0002").replaceAll("\0", "\u0001\u0001")

export const unescape = (text: string): string =>
  text.replaceAll("\u0001\u0001", "\0").replaceAll("\u0001\u0002", "\u0001")

const args = (words: ReadonlyArray<string>): Args => ({ words, blobs: [] })

/** No revision and no lease is as great. */
const last = 2n ** 63n - 1n
const number = (revision: bigint): string => String(revision < last ? revision : last)

export const get = (key: string): Args => args(["G", escape(key)])

/** Asks for one more than `limit`, to know whether there are more. */
export const range = (prefix: string, after: string | undefined, limit: number): Args => {
  const behind = after !== undefined && KvMachine.compareKeys(after, prefix) >= 0 ? escape(after) : ""
  return args(["R", escape(prefix), behind === "" ? escape(prefix) : behind, behind, String(limit + 1)])
}

export const commit = ({ checks, writes }: KvBackend.Commit): Args => {
  const words = ["C", String(checks.length)]
  for (const { key, revision } of checks) words.push(escape(key), number(revision))
  words.push(String(writes.length))
  for (const write of writes) {
    if (write._tag === "Delete") words.push("D", escape(write.key), "", "")
    else words.push("P", escape(write.key), leaseOf(write.lease), String(write.ttl ?? ""))
  }
  return { words, blobs: writes.map((write) => write._tag === "Put" ? write.value : none) }
}

const none = new Uint8Array()

/** A lease of another store may have an id that is no number: no lease has number 0. */
const leaseOf = (id: string | undefined): string => id === undefined || /^\d{1,18}$/.test(id) ? id ?? "" : "0"

export const grant = (ttl: number): Args => args(["L", String(ttl)])
export const renew = (leases: ReadonlyArray<KvBackend.Kept>): Args =>
  args(["K", String(leases.length), ...leases.flatMap(({ id, ttl }) => [id, String(ttl)])])
export const revoke = (id: string): Args => args(["E", id])
export const now: Args = args(["N"])

/** `seen`: the revision up to which all is known, also that there was nothing to tell. */
export const since = ({ key, prefix }: KvBackend.Target, from: bigint, seen: bigint | undefined): Args =>
  args(["S", escape(key), prefix ? "1" : "0", number(from), seen === undefined ? "" : String(seen)])

/** The arguments of the step's function that tell the operations. */
export const encode = (ops: ReadonlyArray<{ readonly args: Args }>): ReadonlyArray<unknown> => [
  ops.some(({ args: { words: [code = ""] } }) => "CLKE".includes(code)),
  ops.flatMap(({ args }) => args.words),
  ops.flatMap(({ args }) => args.blobs)
]

/** What was found for one operation. */
export type Reply = ReadonlyArray<Found>

interface Found {
  readonly kind: string
  readonly name: string
  readonly bytes: Uint8Array | undefined
  readonly stamp: bigint
  readonly made: bigint
}

/** Reads what the function answers: what was found for each operation, and in how many ms the next lease ends. */
export const decode = (
  rows: Rows,
  count: number
): { readonly replies: ReadonlyArray<Reply>; readonly next: number } => {
  const replies = Array.from({ length: count }, (): Array<Found> => [])
  let next = -1
  for (const [op, kind, name, bytes, stamp, made] of rows) {
    const found = {
      kind: String(kind),
      name: typeof name === "string" ? name : "",
      // Copied: a part of the answer would keep all of it.
      bytes: bytes instanceof Uint8Array ? bytes.slice() : undefined,
      stamp: typeof stamp === "bigint" ? stamp : 0n,
      made: typeof made === "bigint" ? made : 0n
    }
    if (op === 0) next = Number(found.stamp)
    else replies[Number(op) - 1]?.push(found)
  }
  return { replies, next }
}

const first = ([found = nothing]: Reply): Found => found
const nothing: Found = { kind: "", name: "", bytes: undefined, stamp: 0n, made: 0n }

export const revisionOf = (reply: Reply): bigint => first(reply).stamp
export const leaseIdOf = (reply: Reply): string => String(first(reply).stamp)
export const renewedOf = (reply: Reply): ReadonlyArray<boolean> => Array.from(first(reply).name, (one) => one === "1")

const toEntry = ({ bytes = none, made, name, stamp }: Found): KvEntry.Entry => ({
  key: unescape(name),
  value: bytes,
  revision: stamp,
  created: made
})

export const entryOf = ([found]: Reply): KvEntry.Entry | undefined => found === undefined ? undefined : toEntry(found)

export const rangeOf = (limit: number) => ([head, ...found]: Reply): KvEntry.Range => ({
  entries: found.slice(0, limit).map(toEntry),
  revision: head?.stamp ?? 0n,
  more: found.length > limit
})

export const outcomeOf = ({ checks, writes }: KvBackend.Commit) => (reply: Reply): KvBackend.Outcome => {
  const { kind, made, stamp } = first(reply)
  const at = Number(stamp) - 1
  switch (kind) {
    case "X":
      return { _tag: "Conflict", key: checks[at]?.key ?? "", actual: made }
    case "U": {
      const write = writes[at]
      return { _tag: "Unleased", lease: write?._tag === "Put" ? write.lease ?? "" : "" }
    }
    default:
      return { _tag: "Committed", revision: stamp, deleted: Number(made) }
  }
}

/** The answer comes after what it is about. */
export const sinceOf = (reply: Reply): KvWatches.Found => {
  const { kind, made, stamp } = reply.at(-1) ?? nothing
  if (kind === "X") return { _tag: "Gone", oldest: stamp }
  return { _tag: "Found", seen: stamp, revision: made, changed: changedOf(reply.slice(0, -1)) }
}

const changedOf = (reply: Reply): ReadonlyArray<KvEntry.Changed> => {
  const commits = new Map<bigint, Array<KvEntry.Change>>()
  for (const found of reply) {
    const change: KvEntry.Change = found.kind === "D"
      ? { _tag: "Delete", key: unescape(found.name) }
      : { _tag: "Put", entry: toEntry(found) }
    const changes = commits.get(found.stamp)
    if (changes === undefined) commits.set(found.stamp, [change])
    else changes.push(change)
  }
  return Array.from(commits).flatMap(([revision, changes]) => {
    const [head, ...others] = changes.sort((one, other) => KvMachine.compareKeys(keyOf(one), keyOf(other)))
    return head === undefined ? [] : [{ revision, changes: [head, ...others] }]
  })
}

const keyOf = (change: KvEntry.Change): string => change._tag === "Put" ? change.entry.key : change.key

/** Reads a notification: the revision before, the one now, when the next lease ends, and the keys, unless they are many. */
export const wordOf = (message: string): KvWatches.Word => {
  const [before, revision, next, keys] = JSON.parse(message) as readonly [string, string, number, ReadonlyArray<string>]
  return { before: BigInt(before), revision: BigInt(revision), next, keys: keys.map(unescape) }
}
