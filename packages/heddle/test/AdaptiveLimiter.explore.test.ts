import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { AdaptiveLimiter } from "heddle/resilience"

const make = Effect.map(
  AdaptiveLimiter.make({ name: "db", start: 2, most: 3, samples: 2, window: 1, partitions: { live: 0.5 } }),
  (limiter) => ({ limiter, running: 0, live: 0 })
)
type World = Effect.Success<typeof make>

/** Three is the highest limit, and one more may take back the share that others have borrowed. */
const call = (world: World, millis: number, end: Effect.Effect<void, string>, live: 0 | 1) => {
  const work = Effect.acquireUseRelease(
    Effect.sync(() => {
      world.live += live
      return ++world.running - world.live
    }),
    (others) =>
      others > 3 || world.running > 4
        ? Effect.die("too many run")
        : Effect.andThen(Effect.andThen(Effect.yieldNow, Effect.sleep(millis)), end),
    () =>
      Effect.sync(() => {
        world.live -= live
        world.running--
      })
  )
  return live === 1 ? world.limiter.partition("live")(work) : world.limiter.run(work)
}

/** Nobody is left inside, and a place is free. */
const sound = (world: World) =>
  Effect.gen(function*() {
    const { limit, running } = yield* world.limiter.occupancy
    if (running + world.running > 0) return yield* Effect.die("somebody is left")
    if (limit < 1 || limit > 3) return yield* Effect.die(`a limit of ${limit}`)
    yield* Effect.all([call(world, 1, Effect.void, 0), call(world, 1, Effect.void, 1)])
  })

const calls = (world: World) => [
  call(world, 5, Effect.void, 0),
  call(world, 2, Effect.fail("bad"), 0),
  call(world, 9, Effect.void, 1),
  call(world, 0, Effect.void, 0),
  call(world, 3, Effect.void, 0)
]

describe("an adaptive limiter, under every kind of interleaving", () => {
  it.live("runs no more than it may, and loses no place", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = yield* make
        const leaver = yield* Effect.forkChild(call(world, 5, Effect.void, 0))
        const fibers = yield* Effect.forEach(calls(world), (one) => Effect.forkChild(Effect.exit(one)))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        const exits = yield* Fiber.joinAll(fibers)
        if (exits.some((exit) => exit._tag === "Failure" && exit.cause.reasons.some(({ _tag }) => _tag === "Die"))) {
          return yield* Effect.die("too many ran")
        }
        yield* sound(world)
      })
      yield* Explore.run(program, { runs: 1500 })
      yield* Explore.run(program, { runs: 1000, strategy: Explore.pct() })
    }), 120_000)

  it.live("gives back what it took wherever a caller is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: make,
        program: (world) => Effect.all(calls(world), { concurrency: "unbounded", mode: "result" }),
        invariant: sound,
        target: "all"
      })
      assert.isAbove(report.points, 20)
    }))
})
