import { assert, it } from "@effect/vitest"
import { Explore } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Deadline } from "heddle/resilience"

it.live(
  "a deadline and the work that it bounds end once, whichever comes first, and the nearest deadline counts",
  () =>
    Effect.gen(function*() {
      let running = 0
      const work = (millis: number) =>
        Effect.acquireUseRelease(
          Effect.sync(() => ++running),
          () => Effect.as(Effect.andThen(Effect.yieldNow, Effect.sleep(millis)), millis),
          () => Effect.sync(() => void running--)
        )
      const call = (outer: number, inner: number, millis: number) =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(Deadline.within(outer)(Deadline.within(inner)(work(millis))))
          const least = Math.min(outer, inner)
          if (millis < least) assert.isTrue(Exit.isSuccess(exit), "what is faster than its deadline succeeds")
          if (millis > least) assert.isTrue(Exit.isFailure(exit), "what is slower does not")
        })
      const program = Effect.gen(function*() {
        running = 0
        yield* Effect.all([call(10, 5, 5), call(5, 10, 6), call(7, 7, 3), call(3, 9, 3), call(8, 2, 9)], {
          concurrency: "unbounded"
        })
        assert.strictEqual(running, 0)
      })
      yield* Explore.run(program, { runs: 800 })
      yield* Explore.run(program, { runs: 500, strategy: Explore.pct() })
    }),
  120_000
)
