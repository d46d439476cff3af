import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { CircuitBreaker } from "heddle/resilience"

const options = { name: "db", trip: CircuitBreaker.consecutive(2), openFor: 1000, successes: 2, probes: 2 }

/** A circuit whose open time is just over. */
const halfOpen = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker.make(options)
  yield* Effect.repeat(Effect.exit(breaker.run(Effect.fail("bad"))), { times: 1 })
  yield* Effect.sleep(1000)
  return breaker
})

/** Whether no place of a probe is missing: two more close it, without a new round. */
const recovers = (breaker: CircuitBreaker.CircuitBreaker) =>
  Effect.gen(function*() {
    if ((yield* breaker.state) === "open") yield* Effect.sleep(1000)
    yield* breaker.run(Effect.void)
    yield* breaker.run(Effect.void)
    if ((yield* breaker.state) !== "closed") return yield* Effect.die(yield* breaker.state)
  })

describe("a circuit breaker, under every kind of interleaving", () => {
  it.live("runs no more probes than it may, and counts each call once", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const breaker = yield* halfOpen
        let running = 0
        let started = 0
        const probe = (end: Effect.Effect<void, string>) =>
          breaker.run(Effect.acquireUseRelease(
            Effect.sync(() => {
              started++
              return ++running
            }),
            (now) => now > 2 ? Effect.die("three probes") : Effect.andThen(Effect.yieldNow, end),
            () => Effect.sync(() => void running--)
          ))
        const calls = [probe(Effect.void), probe(Effect.fail("bad")), probe(Effect.void), probe(Effect.void)]
        const leaver = yield* Effect.forkChild(Effect.exit(probe(Effect.void)))
        const fibers = yield* Effect.forEach(calls, (call) => Effect.forkChild(Effect.exit(call)))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        yield* Fiber.joinAll(fibers)
        const { failure, ignored, refused, success } = yield* breaker.calls
        // Two failures opened it. The one that leaves may do so before it is let in or refused, or before its call starts.
        const ended = failure + ignored + success - 2
        if (ended < started || ended > started + 1 || ended + refused < 4 || ended + refused > 5) {
          return yield* Effect.die("miscounted")
        }
        yield* recovers(breaker)
      })
      const report = yield* Explore.run(program, { runs: 3000 })
      assert.isAtLeast(report.runs, 3000)
      yield* Explore.run(program, { strategy: Explore.pct(), runs: 2000 })
    }), 120_000)

  it.live("gives the place of a probe back wherever its caller is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: halfOpen,
        program: (breaker) =>
          Effect.all([breaker.run(Effect.yieldNow), breaker.run(Effect.fail("bad"))], {
            concurrency: "unbounded",
            mode: "result"
          }),
        invariant: recovers,
        target: "all"
      })
      assert.isAbove(report.points, 10)
    }))
})
