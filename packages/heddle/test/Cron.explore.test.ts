import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Cron, KvStore, LeaseStore } from "heddle/coordination"

const memory = Layer.fresh(Layer.merge(LeaseStore.layerMemory, KvStore.layerMemory))

/** Which ticks have begun, and how many run at once, and at most did. */
const makeWorld = () => ({ begun: Array<number>(), inside: 0, most: 0 })
type World = ReturnType<typeof makeWorld>

const job = (world: World) =>
  Cron.run({ name: "job", schedule: "* * * * * *", ttl: "1 day", missed: "once" })(({ at }) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        world.begun.push(DateTime.toEpochMillis(at) / 1000)
        world.most = Math.max(world.most, ++world.inside)
      }),
      () => Effect.sleep(100),
      () => Effect.sync(() => world.inside--)
    )
  )

const assertSound = ({ begun, most }: World) => {
  assert.isAtMost(most, 1)
  assert.deepStrictEqual(begun, [...new Set(begun)].toSorted((one, other) => one - other))
}

describe("Cron under every kind of interleaving", () => {
  const program = Effect.gen(function*() {
    const world = makeWorld()
    const fleet = yield* Effect.forEach([1, 2], () => Effect.forkChild(job(world)))
    for (const [at, fiber] of fleet.entries()) {
      yield* Effect.sleep(at === 0 ? 1050 : 1000)
      if (at === 0) yield* Fiber.interrupt(fiber)
    }
    yield* Effect.sleep(1000)
    yield* Fiber.interruptAll(fleet)
    assertSound(world)
    assert.deepStrictEqual(world.begun, [1, 2, 3])
  }).pipe(Effect.provide(memory))

  it.live(
    "each tick is begun once, also where the one that leads is interrupted in the middle of it",
    () =>
      Effect.andThen(
        Explore.run(program, { runs: 100 }),
        Explore.run(program, { runs: 100, strategy: Explore.pct() })
      ),
    120_000
  )
})

describe("Cron interrupted at every step", () => {
  const setup = Effect.map(Layer.build(memory), (context) => ({ ...makeWorld(), context }))

  it.live("begins no tick twice, and leaves the lead to the next", () =>
    InterruptSweep.run({
      setup,
      program: (world: Effect.Success<typeof setup>) =>
        Effect.provide(Effect.timeoutOption(job(world), 1150), world.context),
      invariant: (world) =>
        Effect.gen(function*() {
          const before = world.begun.length
          yield* Effect.timeoutOption(job(world), 2000)
          assertSound(world)
          assert.isAbove(world.begun.length, before)
        }).pipe(Effect.provide(world.context)),
      leaks: false
    }), 120_000)
})
