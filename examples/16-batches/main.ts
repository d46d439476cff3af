// Rows come one by one and are written in batches: when four are there, or when the first has waited for two seconds.
//   node --conditions=@heddle/source examples/16-batches/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import { Batcher } from "heddle/flow"
import { fileURLToPath } from "node:url"

/** Seven rows, of which the last comes late, and five more just before the end: which batch went when, and what became of row 5. */
export const scene = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  const batches: Array<readonly [millis: number, rows: ReadonlyArray<number>]> = []
  const write = (rows: ReadonlyArray<number>) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      batches.push([now - start, rows])
      return rows.map((row) => row === 5 ? Exit.fail("row 5 breaks a rule" as const) : Exit.succeed(row))
    })
  const fifth = yield* Effect.scoped(Effect.gen(function*() {
    const table = yield* Batcher.make({ run: write, maxSize: 4, maxWait: "2 seconds", interval: "500 millis" })
    const outcomes = yield* Effect.forEach([1, 2, 3, 4, 5, 6], table.enqueue)
    yield* Effect.sleep("3 seconds")
    const seventh = yield* table.submit(7)
    yield* Effect.forEach([8, 9, 10, 11, 12], table.enqueue)
    return { seventh, fifth: outcomes[4] === undefined ? undefined : yield* Effect.result(outcomes[4]) }
  }))
  return { batches, ...fifth }
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { batches, fifth } = yield* scene
    for (const [millis, rows] of batches) yield* Console.log(`${(millis / 1000).toFixed(1)} s  ${rows.join(" ")}`)
    if (fifth !== undefined && Result.isFailure(fifth)) {
      yield* Console.log(`the one who brought row 5 is told: ${String(fifth.failure)}`)
    }
  }))
}
