/**
 * Where claims are kept: `<prefix>/<resource>/<limit>/<permits>/<id>`.
 *
 * What decides over the line is in the key, so that reading the line needs no values. A resource's name is encoded, so no
 * other name begins with its room.
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
  readonly permits: number
  /** The revision at which the key was created. */
  readonly revision: bigint
  readonly value: Uint8Array
}

/** What all keys of a resource begin with. */
export const room = (prefix: string, resource: string): string => `${prefix}/${encodeURIComponent(resource)}/`

export const keyOf = (room: string, { id, limit, permits }: LeaseBackend.Claim): string =>
  `${room}${limit}/${permits}/${id}`

/** The keys of claims that name another limit. "0" follows "/" in the order of bytes. */
export const otherLimits = (room: string, limit: number): readonly [EtcdOp.KeyRange, EtcdOp.KeyRange] => {
  const end = EtcdOp.prefix(room).rangeEnd
  return [{ key: room, rangeEnd: `${room}${limit}/` }, { key: `${room}${limit}0`, rangeEnd: end }]
}

/** The claim that a key stands for; undefined for a key that is not ours. */
export const entryOf = (room: string, kv: EtcdOp.KeyValue): Entry | undefined => {
  const key = EtcdOp.text(kv.key)
  const [limit, permits, id, ...rest] = key.slice(room.length).split("/")
  return id === undefined || rest.length > 0
    ? undefined
    : { key, id, limit: Number(limit), permits: Number(permits), revision: kv.createRevision, value: kv.value }
}

/** In order of arrival. */
export const entriesOf = (room: string, kvs: ReadonlyArray<EtcdOp.KeyValue>): ReadonlyArray<Entry> =>
  kvs.flatMap((kv) => entryOf(room, kv) ?? []).sort((a, b) => Number(a.revision - b.revision))

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

/** At least so many are remembered. */
const memory = 1000

/**
 * Keys of this process that nobody holds by any more: they have been deleted or are about to be.
 *
 * A key stays known for a while after its deletion, because a read that was under way then still shows it.
 */
export class Leaving {
  private young = new Set<string>()
  private old = new Set<string>()

  add(key: string): void {
    if (this.young.size >= memory) {
      this.old = this.young
      this.young = new Set()
    }
    this.young.add(key)
  }

  has(key: string): boolean {
    return this.young.has(key) || this.old.has(key)
  }
}
