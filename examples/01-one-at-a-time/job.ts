import * as Schema from "effect/Schema"

/** Where a worker stands still while it holds the lock, for whoever wants to kill it there. */
export const Freeze = Schema.Literals(["before the write", "after the write"])
export type Freeze = typeof Freeze.Type

/** What a worker is asked to do: tally some files, and merge them into the index as one chunk. A JSON line. */
export const Job = Schema.fromJsonString(Schema.Struct({
  worker: Schema.Int,
  index: Schema.String,
  chunk: Schema.Int,
  files: Schema.Array(Schema.String),
  freeze: Schema.optionalKey(Freeze)
}))
export type Job = typeof Job.Type

/** What a worker tells of its job. A JSON line. */
export const Event = Schema.fromJsonString(Schema.TaggedUnion({
  Holding: { token: Schema.BigIntFromString },
  Frozen: { token: Schema.BigIntFromString },
  Merged: {},
  Failed: { message: Schema.String }
}))
export type Event = typeof Event.Type
