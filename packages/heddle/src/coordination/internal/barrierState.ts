import * as Schema from "effect/Schema"
import type { Entry } from "../KvEntry.ts"
import { kvCodec } from "./kvCodec.ts"

/**
 * The keys of a barrier, behind its prefix.
 *
 *     state                        how the last generation ended; its revision is the name of the next
 *     <generation>/<parties>/<id>  a party that has come, bound to its lease
 *
 * A generation ends by one compare-and-set of `state`: so it has opened or is broken, for all, whatever each of them has
 * seen of who came and went. `state` is kept for a day; without it, the generation is 0.
 */
const State = Schema.Struct({
  /** The generation that has ended. */
  of: Schema.BigInt,
  /** Those who go on; none where it is broken. */
  members: Schema.Array(Schema.String)
})
export type State = typeof State.Type

export const states = kvCodec(State)

/** How long the end of a generation is kept, in milliseconds: those who wait for it are told at once. */
export const kept = 86_400_000

/** A party that has come. */
export interface Party {
  readonly id: string
  readonly parties: number
  readonly created: bigint
}

/** Those who have come to a generation, in order. */
export const partiesOf = (prefix: string, generation: bigint, entries: ReadonlyArray<Entry>): ReadonlyArray<Party> => {
  const start = `${prefix}${generation}/`
  return entries.flatMap(({ created, key }) => {
    if (!key.startsWith(start)) return []
    const [parties = "", ...id] = key.slice(start.length).split("/")
    return [{ id: id.join("/"), parties: Number(parties), created }]
  }).sort((one, other) => one.created < other.created ? -1 : 1)
}
