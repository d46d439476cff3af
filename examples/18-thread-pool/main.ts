// Numbers are computed on two threads, while one task never ends, one takes all memory, and one is asked for too much.
//   node --conditions=@heddle/source examples/18-thread-pool/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { ThreadPool } from "heddle/flow"
import { fileURLToPath } from "node:url"
import { Worker } from "node:worker_threads"
import { tasks } from "./tasks.ts"

const file = new URL("thread.ts", import.meta.url)
const execArgv = ["--conditions=@heddle/source"]

/** No thread may take more than 64 MB for what it keeps. */
const threads = NodeWorker.layer(() => new Worker(file, { execArgv, resourceLimits: { maxOldGenerationSizeMb: 64 } }))

export const scene = Effect.gen(function*() {
  const pool = yield* ThreadPool.make(tasks, { size: 2 })
  const numbers = yield* Effect.forEach([10, 20, 25], (n) => pool.submit("fib", n), { concurrency: "unbounded" })
  const refused = yield* Effect.flip(pool.submit("fib", 50))
  const endless = yield* Effect.timeoutOption(pool.submit("forever", undefined), "50 millis")
  const crashed = yield* Effect.flip(pool.submit("hoard", undefined))
  const after = yield* pool.submit("fib", 15)
  const { restarted } = yield* pool.stats
  return { numbers, refused: refused._tag, endless: endless._tag, crashed: crashed._tag, after, restarted }
}).pipe(Effect.scoped, Effect.provide(threads))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { after, crashed, endless, numbers, refused, restarted } = yield* scene
    yield* Console.log(`on two threads: ${numbers.join(", ")}`)
    yield* Console.log(`too much: ${refused}; without end: ${endless} in time; without bound: ${crashed}`)
    yield* Console.log(`${restarted} threads were replaced, and the pool goes on: ${after}`)
  }))
}
