import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Broker, Topic, WorkQueue } from "heddle/messaging"
import * as Sources from "../01-one-at-a-time/sources.ts"

/** One run of the cluster, and the path of its index. What it keeps in a store has its name, so that runs may share a server. */
export interface Run {
  readonly name: string
  readonly index: string
}

const filesPerChunk = 4

/** Some files that are indexed together: one job. */
export const Chunk = Schema.Struct({ number: Schema.Int, files: Schema.Array(Schema.String) })
export type Chunk = typeof Chunk.Type

/** All sources of `effect`, in chunks. Whoever leads plans the same. */
export const chunks = Effect.map(
  Sources.list,
  (files) => Arr.chunksOf(files, filesPerChunk).map((files, number) => ({ number, files }))
)

/** The jobs of a run. They fail with a sentence. */
export const queueOf = ({ name }: Run) =>
  WorkQueue.make({ name: `code-index/${name}`, payload: Chunk, error: Schema.String })

/** What workers tell of themselves. */
export const News = Schema.TaggedUnion({
  Leads: { worker: Schema.Int, term: Schema.BigIntFromString },
  Planned: { worker: Schema.Int, chunks: Schema.Int },
  Parses: { worker: Schema.Int, chunk: Schema.Int },
  Circuit: { worker: Schema.Int, state: Schema.Literals(["closed", "open", "half-open", "isolated"]) },
  Waits: { worker: Schema.Int, chunks: Schema.Int },
  Holds: { worker: Schema.Int, token: Schema.BigIntFromString },
  StandsStill: { worker: Schema.Int, token: Schema.BigIntFromString },
  Merged: { worker: Schema.Int, chunks: Schema.Array(Schema.Int) },
  Failed: { worker: Schema.Int, message: Schema.String }
})
export type News = typeof News.Type

/** Where the news of a run are told. Nothing depends on them but what is shown. */
export const newsOf = ({ name }: Run) => Topic.make({ name: `code-index/${name}`, payload: News })

/** Tells something. What cannot be told is left untold. */
export type Tell = (news: News) => Effect.Effect<void, never, Broker.Broker>

/** The lock that guards the index. */
export const lockOf = ({ name }: Run): string => `code-index/${name}`

/** The election of who plans. */
export const electionOf = ({ name }: Run): string => `code-index/${name}`
