import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Entry } from "../KvEntry.ts"
import { Undecodable } from "../KvEntry.ts"
import { type JsonCodec, kvCodec } from "./kvCodec.ts"

/**
 * What stands under the key of a run.
 *
 *     absent ──begin──▶ Running ──success──▶ Done      kept for the retention
 *       ▲                 │  └───failure───▶ Failed    told to those who watch, goes with the runner's lease
 *       └── death, interruption, defect ◀──────┘
 *
 * `Running` and `Failed` are bound to the runner's lease; the revision of `Running` is the run's token.
 */
export const Record = Schema.Union([
  Schema.TaggedStruct("Running", { input: Schema.String }),
  Schema.TaggedStruct("Done", { input: Schema.String, token: Schema.BigInt, result: Schema.Json }),
  Schema.TaggedStruct("Failed", { error: Schema.Json })
])
export type Record = typeof Record.Type

export const records = kvCodec(Record)

/** The value in a record, or that it cannot be decoded. */
export const valueOf = <A, RD>(
  { fromJson }: Pick<JsonCodec<A, RD, unknown>, "fromJson">,
  json: Schema.Json,
  key: string,
  { revision, value: bytes }: Entry
): Effect.Effect<A, Undecodable, RD> =>
  Effect.catch(({ message: reason }: Schema.SchemaError) =>
    Effect.fail(new Undecodable({ key, revision, bytes, reason }))
  )(fromJson(json))
