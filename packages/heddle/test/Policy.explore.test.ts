import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Bulkhead, CircuitBreaker, Policy, Retry } from "heddle/resilience"

/** All layers at once, exchangeable; whoever runs under them is counted. */
const make = Effect.gen(function*() {
  const bulkhead = yield* Bulkhead.make({ name: "db", running: 2, waiting: 1, waitFor: 5 })
  const breaker = yield* CircuitBreaker.make({ name: "db", trip: CircuitBreaker.consecutive(9) })
  const retry = yield* Retry.make({ name: "db", times: 1, schedule: Schedule.spaced(2) })
  const second = Policy.compose(
    yield* Policy.timeout(20, "all"),
    Policy.retry(retry),
    Policy.breaker(breaker),
    Policy.bulkhead(bulkhead),
    yield* Policy.timeout(8)
  )
  const world = { bulkhead, second, running: 0, underFirst: 0 }
  const counting = Policy.layer(
    { kind: "other", name: "counting", worst: (inner) => inner },
    (call) =>
      Effect.acquireUseRelease(
        Effect.sync(() => world.underFirst++),
        () => call,
        () => Effect.sync(() => void world.underFirst--)
      )
  )
  const { exchange, policy } = yield* Policy.exchangeable(Policy.compose(counting, second))
  return Object.assign(world, { exchange, policy })
})
type World = Effect.Success<typeof make>

const call = (world: World, millis: number, end: Effect.Effect<void, string> = Effect.void) =>
  Effect.exit(world.policy.run(Effect.acquireUseRelease(
    Effect.sync(() => ++world.running),
    (now) =>
      now > 2 ? Effect.die("three run") : Effect.andThen(Effect.andThen(Effect.yieldNow, Effect.sleep(millis)), end),
    () => Effect.sync(() => void world.running--)
  )))

/** No place is lost, and nobody is counted as under way: an exchange ends at once. */
const sound = (world: World) =>
  Effect.gen(function*() {
    const { running, waiting } = yield* world.bulkhead.occupancy
    if (running + waiting + world.running > 0) return yield* Effect.die("somebody is left")
    yield* world.exchange(world.second)
    const exits = yield* Effect.all([call(world, 1), call(world, 1)], { concurrency: "unbounded" })
    if (exits.some(({ _tag }) => _tag === "Failure")) return yield* Effect.die("a place is lost")
  })

describe("a policy, under every kind of interleaving", () => {
  it.live("gives everything back, and an exchange ends when the calls before it have", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = yield* make
        const leaver = yield* Effect.forkChild(call(world, 5))
        const fibers = yield* Effect.forEach([
          call(world, 3, Effect.fail("busy")),
          call(world, 12),
          call(world, 1)
        ], (one) => Effect.forkChild(one))
        yield* Effect.yieldNow
        const exchanging = yield* Effect.forkChild(world.exchange(world.second))
        yield* Fiber.interrupt(leaver)
        yield* Fiber.join(exchanging)
        if (world.underFirst > 0) return yield* Effect.die("a call is still under the first policy")
        yield* call(world, 0)
        yield* Fiber.joinAll(fibers)
        yield* sound(world)
      })
      yield* Explore.run(program, { runs: 1000 })
      yield* Explore.run(program, { runs: 500, strategy: Explore.pct() })
    }), 120_000)

  it.live("gives back what it took wherever a caller or an exchange is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: make,
        program: (world) =>
          Effect.all([
            call(world, 3, Effect.fail("busy")),
            call(world, 12),
            world.exchange(world.second),
            call(world, 1)
          ], {
            concurrency: "unbounded"
          }),
        invariant: sound,
        target: "all"
      })
      assert.isAbove(report.points, 20)
    }))

  const cached = Effect.gen(function*() {
    const keeps = (value: unknown): value is number => typeof value === "number"
    const cache = yield* Policy.cache({ name: "c", timeToLive: "1 minute", keeps })
    const world = { calls: 0, answers: Array<number>() }
    const ask = (end: Effect.Effect<number, string>) =>
      cache.run(Effect.suspend(() => (world.calls++, Effect.andThen(Effect.sleep(1), end)))).pipe(
        Effect.tap((answer) => Effect.sync(() => world.answers.push(answer))),
        Effect.provideService(Policy.CacheKey, "key"),
        Effect.exit
      )
    return Object.assign(world, { ask })
  })

  it.live(
    "a cache answers all who ask from one call, and nobody waits for one that left",
    () =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const world = yield* cached
          const leaver = yield* Effect.forkChild(world.ask(Effect.never))
          yield* Effect.yieldNow
          yield* Fiber.interrupt(leaver)
          const before = world.calls
          const asking = Array.from({ length: 4 }, (_, index) => world.ask(Effect.succeed(index)))
          yield* Effect.all(asking, { concurrency: "unbounded" })
          if (world.calls !== before + 1) return yield* Effect.die(`${world.calls - before} calls`)
          if (new Set(world.answers).size !== 1) return yield* Effect.die("two answers")
        })
        yield* Explore.run(program, { runs: 1000 })
        yield* Explore.run(program, { runs: 500, strategy: Explore.pct() })
      }),
    120_000
  )

  it.live("a cache lets the others go on wherever a caller is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: cached,
        program: ({ ask }) =>
          Effect.all([ask(Effect.fail("busy")), ask(Effect.succeed(1)), ask(Effect.succeed(2))], {
            concurrency: "unbounded"
          }),
        invariant: ({ ask }) =>
          Effect.flatMap(ask(Effect.succeed(3)), (exit) =>
            exit._tag === "Success" ? Effect.void : Effect.die("no answer")),
        target: "all"
      })
      assert.isAbove(report.points, 10)
    }))
})
