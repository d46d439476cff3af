import * as Schema from "effect/Schema"
import { ThreadPool } from "heddle/flow"

export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { n: Schema.Int }) {}

/** What main and threads both know. */
export const tasks = {
  fib: ThreadPool.task({ payload: Schema.Int, success: Schema.Int, error: TooLarge }),
  forever: ThreadPool.task({ payload: Schema.Void }),
  hoard: ThreadPool.task({ payload: Schema.Void })
}
