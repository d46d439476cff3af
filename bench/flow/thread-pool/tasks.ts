import * as Schema from "effect/Schema"
import { ThreadPool } from "heddle/flow"

export const tasks = { fib: ThreadPool.task({ payload: Schema.Int, success: Schema.Int }) }
