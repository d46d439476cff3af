/** Heddle's pool of threads. */
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Effect from "effect/Effect"
import { ThreadPool } from "heddle/flow"
import { Worker } from "node:worker_threads"
import type { Open } from "../../harness/Load.ts"
import { callers, size } from "./callers.ts"
import { tasks } from "./tasks.ts"

const file = new URL("heddle-thread.ts", import.meta.url)

export const heddle = (n: number): Open => () =>
  Effect.runPromise(Effect.callback((resume) => {
    const made = Effect.gen(function*() {
      const pool = yield* ThreadPool.make(tasks, { size })
      const run = (count: number) => {
        let left = count
        const one = pool.submit("fib", n)
        const caller = Effect.whileLoop({ while: () => left-- > 0, body: () => one, step: () => {} })
        const all = Array.from({ length: callers }, () => caller)
        return Effect.runPromise(Effect.forEach(all, (one) => one, { concurrency: "unbounded", discard: true }))
      }
      resume(Effect.succeed({ run }))
      return yield* Effect.never
    })
    Effect.runFork(made.pipe(Effect.scoped, Effect.provide(NodeWorker.layer(() => new Worker(file)))))
  }))
