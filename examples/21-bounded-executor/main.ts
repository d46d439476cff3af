// Twenty requests at once for a slow service: five run, five wait, ten are told at once to come later.
//   node --conditions=@heddle/source examples/21-bounded-executor/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Bulkhead } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/** What came of each request, and the most that ran at once. */
export const scene = Effect.gen(function*() {
  const bulkhead = yield* Bulkhead.make({ name: "service", running: 5, waiting: 5, waitFor: "1 second" })
  let running = 0
  let most = 0
  const work = Effect.acquireUseRelease(
    Effect.sync(() => void (most = Math.max(most, ++running))),
    () => Effect.as(Effect.sleep("200 millis"), "served"),
    () => Effect.sync(() => void running--)
  )
  // A request that takes longer than it should is stopped, and its place is free when it has really ended.
  const request = bulkhead.run(Effect.timeout(work, "500 millis")).pipe(
    Effect.catchTags({
      BulkheadFull: () => Effect.succeed("come later"),
      BulkheadTimeout: () => Effect.succeed("waited in vain"),
      TimeoutError: () => Effect.succeed("took too long")
    })
  )
  const answers = yield* Effect.all(Array.from({ length: 20 }, () => request), { concurrency: "unbounded" })
  return { answers, most, occupancy: yield* bulkhead.occupancy }
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { answers, most, occupancy } = yield* scene
    for (const [answer, all] of Map.groupBy(answers, (answer) => answer)) {
      yield* Console.log(`${answer.padEnd(14)} ${all.length}`)
    }
    yield* Console.log(`at most ${most} ran at once; ${occupancy.places - occupancy.running} places are free`)
  }))
}
