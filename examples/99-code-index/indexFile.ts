import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import type { Lease } from "heddle/coordination"
import { StaleToken } from "../01-one-at-a-time/indexFile.ts"
import * as Entry from "./entry.ts"

/** The shared index: what is known so far, of which chunks, and the fencing token of its last writer. */
const Index = Schema.fromJsonString(Schema.Struct({
  token: Schema.BigIntFromString,
  merged: Schema.Array(Schema.Int),
  names: Schema.Record(Schema.String, Schema.Int),
  kinds: Schema.Record(Schema.String, Schema.Int)
}))
type Index = typeof Index.Type

export const create = (path: string) => write(path, { token: 0n, merged: [], names: {}, kinds: {} })

export const read = (path: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    return yield* Schema.decodeEffect(Index)(yield* files.readFileString(path))
  })

/** What is in an index. */
export const entryOf = ({ kinds, names }: Pick<Index, "kinds" | "names">): Entry.Entry => ({
  names: new Map(Object.entries(names)),
  kinds: new Map(Object.entries(kinds))
})

/**
 * Adds the chunks that are not in the index yet. Only the holder of the lock may call it.
 *
 * A process that dies in here leaves the index as it was or with all of them: the new one appears by a rename.
 */
export const merge = (
  path: string,
  found: ReadonlyArray<{ readonly chunk: number; readonly entry: Entry.Entry }>,
  lease: Lease.Lease
) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const index = yield* read(path)
    if (lease.token < index.token) return yield* new StaleToken({ token: lease.token, newer: index.token })
    const merged = new Set(index.merged)
    const sum = entryOf(index)
    for (const { chunk, entry } of found) {
      if (!merged.has(chunk)) Entry.add(sum, entry)
      merged.add(chunk)
    }
    const draft = `${path}.${lease.token}`
    yield* write(draft, {
      token: lease.token,
      merged: [...merged],
      names: Object.fromEntries(sum.names),
      kinds: Object.fromEntries(sum.kinds)
    })
    yield* lease.guard(files.rename(draft, path))
  })

const write = (path: string, index: Index) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    yield* files.writeFileString(path, yield* Schema.encodeEffect(Index)(index))
  })
