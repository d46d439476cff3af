import * as Schema from "effect/Schema"
import { WorkQueue } from "heddle/messaging"

/** What the index says of a file. */
export const Entry = Schema.Struct({
  path: Schema.String,
  sha256: Schema.String,
  bytes: Schema.Int,
  exports: Schema.Array(Schema.String)
})
export type Entry = typeof Entry.Type

/** A file cannot be read. */
export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", { message: Schema.String }) {}

/** The queue of one run: the paths of files go in, and what the index says of them comes back. */
export const queueOf = (run: string) =>
  WorkQueue.make({
    name: `index-files/${run}`,
    payload: Schema.Struct({ path: Schema.String }),
    success: Entry,
    error: Unreadable
  })
