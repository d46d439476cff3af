import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Bulkhead } from "heddle/resilience"

const make = Effect.map(Bulkhead.make({ name: "db", running: 2, waiting: 3, waitFor: 10 }), (bulkhead) => ({
  bulkhead,
  running: 0
}))
type World = Effect.Success<typeof make>

const call = (world: World, millis: number) =>
  world.bulkhead.run(Effect.acquireUseRelease(
    Effect.sync(() => ++world.running),
    (now) => now > 2 ? Effect.die("three run") : Effect.andThen(Effect.yieldNow, Effect.sleep(millis)),
    () => Effect.sync(() => void world.running--)
  ))

/** Nobody is left inside or in the line, and no place is missing: two run at once, without waiting. */
const sound = (world: World) =>
  Effect.gen(function*() {
    const { running, waiting } = yield* world.bulkhead.occupancy
    if (running + waiting + world.running > 0) return yield* Effect.die("somebody is left")
    yield* Effect.all([call(world, 1), call(world, 1)], { concurrency: "unbounded" })
  })

describe("a bulkhead, under every kind of interleaving", () => {
  it.live("never runs more than it may, forgets nobody, and loses no place", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = yield* make
        const leaver = yield* Effect.forkChild(call(world, 5))
        const fibers = yield* Effect.forEach([5, 12, 0, 3, 0], (millis) =>
          Effect.forkChild(Effect.exit(call(world, millis))))
        const resizing = yield* Effect.forkChild(Effect.andThen(world.bulkhead.resize(1), world.bulkhead.resize(2)))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        yield* Fiber.join(resizing)
        yield* Fiber.joinAll(fibers)
        yield* sound(world)
      })
      yield* Explore.run(program, { runs: 1500 })
      yield* Explore.run(program, { runs: 1000, strategy: Explore.pct() })
    }), 120_000)

  it.live("gives back what it took wherever a caller is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: make,
        program: (world) =>
          Effect.all([call(world, 5), call(world, 12), call(world, 0), call(world, 1)], {
            concurrency: "unbounded",
            mode: "result"
          }),
        invariant: sound,
        target: "all"
      })
      assert.isAbove(report.points, 20)
    }))
})
