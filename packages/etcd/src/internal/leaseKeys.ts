/**
 * Where claims are kept: `<prefix>/<resource>/<limit>/<permits>/<id>`.
 *
 * What decides over the line is in the key, so that reading the line needs no values. A resource's name is encoded, so no
 * other name begins with its room. Beside the line lie `~size`, where the resource was resized, and `~less/<id>`, where a
 * holder gave a part of its permits back. `<prefix>/%session/<lease>` lives as long as a session: what is written to it is
 * told to that session's process, and its end tells everybody that the session's claims are gone.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { LeaseBackend } from "heddle/coordination"
import * as EtcdOp from "../EtcdOp.ts"

/** One claim in line, in the order of `revision`. */
export interface Entry {
  readonly key: string
  readonly id: string
  readonly limit: number
  /** As it was claimed. */
  readonly permits: number
  /** The revision at which the key was created. */
  readonly revision: bigint
  /** The lease of etcd that it lives with. */
  readonly session: bigint
  readonly value: Uint8Array
}

/** What all keys of a resource begin with. */
export const room = (prefix: string, resource: string): string => `${prefix}/${encodeURIComponent(resource)}/`

export const keyOf = (room: string, { id, limit, permits }: Pick<LeaseBackend.Claim, "id" | "limit" | "permits">) =>
  `${room}${limit}/${permits}/${id}`

/** The claims of a room: their keys go on with a digit. "0" follows "/" in the order of bytes, ":" follows "9". */
export const line = (room: string): EtcdOp.KeyRange => ({ key: room, rangeEnd: `${room}:` })

/** The claims that name another limit. */
export const otherLimits = (room: string, limit: number): readonly [EtcdOp.KeyRange, EtcdOp.KeyRange] => [
  { key: room, rangeEnd: `${room}${limit}/` },
  { key: `${room}${limit}0`, rangeEnd: `${room}:` }
]

/** What lies beside the line. */
export const beside = (room: string): EtcdOp.KeyRange => EtcdOp.prefix(`${room}~`)

export const sizeKey = (room: string): string => `${room}~size`

export const lessKey = (room: string, id: string): string => `${room}~less/${id}`

export const sessions = (prefix: string): string => `${prefix}/%session/`

export const sessionKey = (prefix: string, session: bigint): string => `${sessions(prefix)}${session}`

/** The claim that a key stands for; undefined for a key that is not ours. */
export const entryOf = (room: string, kv: EtcdOp.KeyValue): Entry | undefined => {
  const key = EtcdOp.text(kv.key)
  const [limit, permits, id, ...rest] = key.slice(room.length).split("/")
  if (id === undefined || rest.length > 0) return undefined
  const { createRevision, lease, value } = kv
  return { key, id, limit: Number(limit), permits: Number(permits), revision: createRevision, session: lease, value }
}

/** In order of arrival. */
export const entriesOf = (room: string, kvs: ReadonlyArray<EtcdOp.KeyValue>): ReadonlyArray<Entry> =>
  kvs.flatMap((kv) => entryOf(room, kv) ?? []).sort((a, b) => Number(a.revision - b.revision))

/**
 * What a resource was resized to. Claims up to the revision `upTo` held before, and go on, also above the new limit. `named` is
 * what its callers say that there are, 0 where none was seen yet.
 */
export interface Size {
  readonly limit: number
  readonly upTo: bigint
  readonly named: number
}

export const encodeSize = ({ limit, named, upTo }: Size): string => `${limit} ${upTo} ${named}`

export const decodeSize = (bytes: Uint8Array): Size | undefined => {
  const [, limit, upTo = "", named] = /^(\d+) (\d+) (\d+)$/.exec(EtcdOp.text(bytes)) ?? []
  return named === undefined ? undefined : { limit: Number(limit), upTo: BigInt(upTo), named: Number(named) }
}

/** What `inspect` shows of a claim beside its key. `since` is the claimant's wall clock, in milliseconds. */
export type Note = typeof Note.Type

const Note = Schema.Struct({ owner: Schema.String, value: Schema.String, since: Schema.Finite })
const json = Schema.fromJsonString(Note)
const decode = Schema.decodeUnknownOption(json)

export const encodeNote: (note: Note) => string = Schema.encodeSync(json)

export const decodeNote = (bytes: Uint8Array): Note =>
  Option.getOrElse(decode(EtcdOp.text(bytes)), () => ({ owner: "", value: "", since: Infinity }))

/**
 * Grants leave room for a lease to be passed on under the tokens that follow: revisions alone are not consecutive for one
 * key. A lease may reserve at most 1,000.
 */
export const tokenOf = (revision: bigint): bigint => revision * 1024n
