import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { Barrier, CountDownLatch, KvStore } from "heddle/coordination"

const memory = Layer.fresh(KvStore.layerMemory)
const { await: barrier } = Barrier.make({ key: "b", parties: 3, ttl: "1 day" })
const all = { concurrency: "unbounded" } as const

const explore = <A, E>(program: Effect.Effect<A, E, KvStore.KvStore>) =>
  Effect.andThen(
    Explore.run(Effect.provide(program, memory), { runs: 300 }),
    Explore.run(Effect.provide(program, memory), { runs: 300, strategy: Explore.pct() })
  )

/** Counts who has come, and dies where one goes on before all have. */
const party = (world: { come: number }) =>
  Effect.gen(function*() {
    const before = world.come++
    yield* barrier
    assert.isAtLeast(world.come, before - (before % 3) + 3)
  })

describe("Barrier under every kind of interleaving", () => {
  it.live("opens for all at once, again and again", () =>
    explore(Effect.gen(function*() {
      const world = { come: 0 }
      const twice = Effect.andThen(party(world), party(world))
      yield* Effect.all([twice, twice, twice], all)
      assert.strictEqual(world.come, 6)
    })), 120_000)

  it.live("of a generation all go on or none, though one is interrupted", () =>
    explore(Effect.gen(function*() {
      const leaver = yield* Effect.forkChild(barrier)
      const others = yield* Effect.forkChild(Effect.all([Effect.result(barrier), Effect.result(barrier)], all))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      yield* Fiber.interrupt(leaver)
      const left = yield* Fiber.await(leaver)
      const tags = (yield* Fiber.join(others)).map((result) => result._tag === "Success" ? "passed" : "failed")
      assert.strictEqual(tags[0], tags[1])
      if (Exit.isSuccess(left)) assert.strictEqual(tags[0], "passed")
      yield* Effect.all([barrier, barrier, barrier], all)
    })), 120_000)

  it.live("of four callers three go on", () =>
    explore(Effect.gen(function*() {
      const { await: hasty } = Barrier.make({ key: "b", parties: 3, waitFor: 1000 })
      const results = yield* Effect.all(Array.from({ length: 4 }, () => Effect.result(hasty)), all)
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 3)
    })), 120_000)
})

describe("Barrier and CountDownLatch interrupted at every step", () => {
  const setup = Effect.map(Layer.build(memory), (context) => ({ come: 0, context }))
  type World = Effect.Success<typeof setup>

  it.live("no party is left behind: the next generation opens", () =>
    InterruptSweep.run({
      setup,
      program: (world: World) =>
        Effect.all([party(world), party(world), party(world)].map((one) => Effect.result(one)), all).pipe(
          Effect.provide(world.context)
        ),
      invariant: ({ context }) => Effect.provide(Effect.all([barrier, barrier, barrier], all), context),
      target: "all",
      leaks: false
    }), 120_000)

  const latch = CountDownLatch.make({ key: "l", count: 2, waitFor: 1000 })

  it.live("a party is counted once or not at all", () =>
    InterruptSweep.run({
      setup,
      program: (world: World) =>
        Effect.all([Effect.result(latch.await), latch.countDown("a"), latch.countDown("b")], all).pipe(
          Effect.provide(world.context)
        ),
      invariant: ({ context }) =>
        Effect.gen(function*() {
          assert.isAtMost(yield* latch.countDown("a"), 1)
          assert.strictEqual(yield* latch.countDown("b"), 0)
          yield* latch.await
        }).pipe(Effect.provide(context)),
      target: "all"
    }), 120_000)

  it.live("who waits for a latch is told of the last count, however it falls", () =>
    explore(Effect.gen(function*() {
      yield* Effect.all([latch.await, latch.countDown("a"), latch.countDown("b"), latch.countDown("a")], all)
    })), 120_000)
})
