import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import type { Lease } from "heddle/coordination"
import * as Tally from "./tally.ts"

/** The shared index: all names so far, which chunks are in it, and the fencing token of its last writer. */
const Index = Schema.fromJsonString(Schema.Struct({
  token: Schema.BigIntFromString,
  merged: Schema.Array(Schema.Int),
  names: Schema.Record(Schema.String, Schema.Int)
}))
type Index = typeof Index.Type

/** A writer came with an older token than the last one: its lock was lost meanwhile, and it must not write. */
export class StaleToken extends Schema.TaggedError<StaleToken>()("StaleToken", {
  token: Schema.BigInt,
  newer: Schema.BigInt
}) {
  override get message(): string {
    return `the index was written under token ${this.newer}; token ${this.token} is too old`
  }
}

export const create = (path: string) => write(path, { token: 0n, merged: [], names: {} })

export const read = (path: string) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    return yield* Schema.decodeEffect(Index)(yield* files.readFileString(path))
  })

/**
 * Adds a chunk that is not in the index yet. Only the holder of the lock may call it.
 *
 * A process that dies in here leaves the index as it was or with the whole chunk: the new one appears by a rename.
 */
export const merge = (path: string, chunk: number, tally: Tally.Tally, lease: Lease.Lease) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    const index = yield* read(path)
    if (lease.token < index.token) return yield* new StaleToken({ token: lease.token, newer: index.token })
    if (index.merged.includes(chunk)) return
    const draft = `${path}.${lease.token}`
    yield* write(draft, {
      token: lease.token,
      merged: [...index.merged, chunk],
      names: Object.fromEntries(Tally.add(new Map(Object.entries(index.names)), tally))
    })
    yield* lease.guard(files.rename(draft, path))
  })

const write = (path: string, index: Index) =>
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    yield* files.writeFileString(path, yield* Schema.encodeEffect(Index)(index))
  })
