import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { KvStore, Once } from "heddle/coordination"

const memory = Layer.fresh(KvStore.layerMemory)

/** How many run, and at most did, and with which tokens. */
const makeWorld = () => ({ inside: 0, most: 0, tokens: Array<bigint>() })
type World = ReturnType<typeof makeWorld>

const visit = (world: World) => ({ token }: Once.Run) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      world.inside++
      world.most = Math.max(world.most, world.inside)
      return world.tokens.push(token)
    }),
    (run) => Effect.as(Effect.yieldNow, run),
    () => Effect.sync(() => world.inside--)
  )

const once = (world: World) => Once.run({ key: "k", success: Schema.Int })(visit(world))

const failing = (world: World) =>
  Once.run({ key: "k", success: Schema.Never, error: Schema.Int })((run) =>
    Effect.flatMap(visit(world)(run), Effect.fail)
  )

const assertSound = ({ inside, most, tokens }: World, runs: number) => {
  assert.isAtMost(most, 1)
  assert.strictEqual(inside, 0)
  assert.isAtMost(tokens.length, runs)
  assert.deepStrictEqual(tokens, [...new Set(tokens)].toSorted((one, other) => one < other ? -1 : 1))
}

const explore = <A, E>(program: Effect.Effect<A, E, KvStore.KvStore>) =>
  Effect.andThen(
    Explore.run(Effect.provide(program, memory), { runs: 400 }),
    Explore.run(Effect.provide(program, memory), { runs: 400, strategy: Explore.pct() })
  )

describe("Once under every kind of interleaving", () => {
  it.live("runs once, and tells all", () =>
    explore(Effect.gen(function*() {
      const world = makeWorld()
      const told = yield* Effect.all([once(world), once(world), once(world)], { concurrency: "unbounded" })
      assert.deepStrictEqual(told, [1, 1, 1])
      assertSound(world, 1)
    })), 120_000)

  it.live(
    "tells a failure to all who wait, and runs anew for who comes after it",
    () =>
      explore(Effect.gen(function*() {
        const world = makeWorld()
        const calls = [1, 2, 3].map(() => Effect.flip(failing(world)))
        const told = yield* Effect.all(calls, { concurrency: "unbounded" })
        assertSound(world, 3)
        assert.sameMembers([...new Set(told)], world.tokens.map((_, at) => at + 1))
        assert.strictEqual(yield* once(world), world.tokens.length)
      })),
    120_000
  )

  it.live("finds another runner where the first is interrupted", () =>
    explore(Effect.gen(function*() {
      const world = makeWorld()
      const leaver = yield* Effect.forkChild(once(world))
      const others = yield* Effect.forkChild(Effect.all([once(world), once(world)], { concurrency: "unbounded" }))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      yield* Fiber.interrupt(leaver)
      const [one, other] = yield* Fiber.join(others)
      assert.strictEqual(one, other)
      assertSound(world, 2)
    })), 120_000)
})

describe("Once interrupted at every step", () => {
  const setup = Effect.map(Layer.build(memory), (context) => ({ ...makeWorld(), context }))
  type Swept = Effect.Success<typeof setup>

  it.live("neither doubles a run nor loses a result, and the key is free for the next", () =>
    InterruptSweep.run({
      setup,
      program: (world: Swept) =>
        Effect.all([once(world), once(world)], { concurrency: "unbounded" }).pipe(Effect.provide(world.context)),
      invariant: (world, exit) =>
        Effect.gen(function*() {
          const before = world.tokens.length
          const told = yield* once(world)
          assert.isAtLeast(told, 1)
          assertSound(world, 3)
          if (Exit.isSuccess(exit)) assert.deepStrictEqual([told, world.tokens.length], [exit.value[0], before])
        }).pipe(Effect.provide(world.context)),
      target: "all",
      leaks: false
    }), 120_000)

  it.live("leaves nothing behind after a failure", () =>
    InterruptSweep.run({
      setup,
      program: (world: Swept) => Effect.exit(failing(world)).pipe(Effect.provide(world.context)),
      invariant: (world) =>
        Effect.gen(function*() {
          const store = yield* KvStore.KvStore
          yield* Effect.sleep("20 seconds")
          assert.deepStrictEqual((yield* store.range("")).entries, [])
        }).pipe(Effect.provide(world.context)),
      leaks: false
    }), 120_000)
})
