import * as Schema from "effect/Schema"
import { Stack } from "./stack.ts"

/** What a worker process is told at its start, as its argument. */
export const Assignment = Schema.fromJsonString(Schema.Struct({
  run: Schema.Struct({ name: Schema.String, index: Schema.String }),
  worker: Schema.Int,
  stack: Stack
}))
