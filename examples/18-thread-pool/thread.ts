// What a thread runs: the tasks, one after the other.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeWorkerRunner from "@effect/platform-node/NodeWorkerRunner"
import * as Effect from "effect/Effect"
import { ThreadPool } from "heddle/flow"
import { tasks, TooLarge } from "./tasks.ts"

const fib = (n: number): number => n < 2 ? n : fib(n - 1) + fib(n - 2)

/** Takes memory until there is no more. */
const hoard = () => {
  const all: Array<Array<number>> = []
  for (;;) all.push(Array.from({ length: 10_000 }, (_, at) => at))
}

NodeRuntime.runMain(
  ThreadPool.serve(tasks, {
    fib: (n) => n > 40 ? Effect.fail(new TooLarge({ n })) : Effect.sync(() => fib(n)),
    forever: () =>
      Effect.sync(() => {
        for (;;);
      }),
    hoard: () => Effect.sync(hoard)
  }).pipe(Effect.provide(NodeWorkerRunner.layer))
)
