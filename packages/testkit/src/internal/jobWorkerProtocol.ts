import * as Schema from "effect/Schema"

/** What a job worker is told, as the last argument of its process. Times are milliseconds. */
export const Order = Schema.fromJsonString(Schema.Struct({
  /** Names the process in the ledger. */
  worker: Schema.Int,
  queue: Schema.String,
  ledger: Schema.String,
  concurrency: Schema.Int,
  /** Default 0. */
  prefetch: Schema.optionalKey(Schema.Int),
  ttl: Schema.Int,
  grace: Schema.Int
}))
export type Order = typeof Order.Type
