import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LoadLevel } from "heddle/resilience"

/** A level by one sensor that is set by hand, whoever follows it, and whoever hears of its changes. */
const make = (scope: Scope.Scope) =>
  Effect.gen(function*() {
    const world = {
      value: 0,
      reading: 0,
      applying: 0,
      applied: new Array<string>(),
      heard: new Array<LoadLevel.Change>()
    }
    const read = () =>
      Effect.acquireUseRelease(
        Effect.sync(() => ++world.reading),
        () => Effect.andThen(Effect.yieldNow, Effect.sync(() => world.value)),
        () => Effect.sync(() => void world.reading--)
      )
    const sensors = [{ name: "cpu", at: [70, 85, 95] as const, read }]
    const built = yield* Layer.build(LoadLevel.layer({ name: "shop", sensors, interval: 1, dwell: 2 }))
    const service = Context.get(built, LoadLevel.LoadLevel)
    const apply = (level: LoadLevel.Level) =>
      Effect.acquireUseRelease(
        Effect.sync(() => ++world.applying),
        (now) => now > 1 ? Effect.die("two are applied at once") : Effect.andThen(Effect.yieldNow, Effect.sleep(1)),
        () =>
          Effect.sync(() => {
            world.applying--
            world.applied.push(level)
          })
      )
    const changes = yield* service.subscribe
    yield* Effect.forkScoped(Stream.runForEach(changes, (change) => Effect.sync(() => void world.heard.push(change))))
    yield* Effect.provide(LoadLevel.follow(apply), built)
    return { world, service }
  }).pipe(Scope.provide(scope))

const play = (scope: Scope.Scope) =>
  Effect.gen(function*() {
    const { service, world } = yield* make(scope)
    const set = (values: ReadonlyArray<number>) =>
      Effect.forEach(values, (value) => Effect.andThen(Effect.sync(() => void (world.value = value)), Effect.sleep(1)))
    yield* Effect.all([set([80, 96, 0]), set([90, 0, 71])], { concurrency: "unbounded" })
    world.value = 75
    yield* Effect.sleep(20)
    return { world, level: yield* service.level }
  })

describe("a load level, under every kind of interleaving", () => {
  it.live(
    "tells each change in its order, and whoever follows comes to the level that it is",
    () =>
      Effect.gen(function*() {
        const program = Effect.scoped(Effect.gen(function*() {
          const { level, world } = yield* play(yield* Effect.scope)
          assert.strictEqual(level, "reduced")
          assert.strictEqual(world.applied.at(-1), "reduced")
          let at = "full"
          for (const { from, to } of world.heard) {
            assert.strictEqual(from, at)
            at = to
          }
          assert.strictEqual(at, "reduced")
        }))
        yield* Explore.run(program, { runs: 600 })
        yield* Explore.run(program, { runs: 400, strategy: Explore.pct() })
      }),
    120_000
  )

  it.live("reads and applies nothing more wherever it is interrupted", () =>
    Effect.gen(function*() {
      const worlds: Array<{ reading: number; applying: number }> = []
      const report = yield* InterruptSweep.run({
        setup: Effect.sync(() => Scope.makeUnsafe()),
        program: (scope) =>
          Effect.flatMap(make(scope), ({ world }) => {
            worlds.push(world)
            world.value = 90
            return Effect.sleep(5)
          }).pipe(Effect.onExit(() => Scope.close(scope, Exit.void))),
        invariant: () =>
          worlds.every(({ applying, reading }) => applying + reading === 0)
            ? Effect.void
            : Effect.die("a sensor is read or a level applied after the end"),
        target: "all"
      })
      assert.isAbove(report.points, 20)
    }))
})
