import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { DistributedLock, LeaseStore } from "heddle/coordination"

const memory = Layer.fresh(LeaseStore.layerMemory)

/** A lock's whole world: who is inside, how many came through, and the tokens they had. */
const makeWorld = () => ({ inside: 0, most: 0, entered: 0, tokens: Array<bigint>() })
type World = ReturnType<typeof makeWorld>

const visit = (world: World) => (lease: { readonly token: bigint }) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      world.inside++
      world.entered++
      world.most = Math.max(world.most, world.inside)
      world.tokens.push(lease.token)
    }),
    () => Effect.yieldNow,
    () => Effect.sync(() => world.inside--)
  )

const isSound = (world: World) =>
  world.most <= 1 && world.inside === 0 &&
  world.tokens.every((token, i) => i === 0 || token > (world.tokens[i - 1] ?? 0n))

const isFree = Effect.gen(function*() {
  const { holder, waiters } = yield* DistributedLock.inspect("k")
  const again = yield* DistributedLock.tryLock("k", { order: "cohort" })(Effect.void)
  return holder._tag === "None" && waiters.length === 0 && again._tag === "Some"
})

for (const order of ["arrival", "cohort"] as const) {
  describe(`a lock in ${order} order, under every kind of interleaving`, () => {
    const lock = DistributedLock.withLock("k", { order, passes: 2 })

    it.live("lets one in at a time, each with a higher token, and is free afterwards", () =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const world = makeWorld()
          yield* Effect.all([1, 2, 3, 4].map(() => lock(visit(world))), { concurrency: "unbounded" })
          if (!isSound(world) || world.entered !== 4) return yield* Effect.die(world)
          if (!(yield* isFree)) return yield* Effect.die("not free")
        }).pipe(Effect.provide(memory))
        yield* Explore.run(program, { runs: 400 })
        yield* Explore.run(program, { runs: 400, strategy: Explore.pct() })
      }))

    it.live("loses no turn when a waiter is interrupted or gives up while it is served", () =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const world = makeWorld()
          const holder = yield* Effect.forkChild(lock(visit(world)))
          const leaver = yield* Effect.forkChild(lock(visit(world)))
          const hasty = yield* Effect.forkChild(
            Effect.exit(DistributedLock.withLock("k", { order, passes: 2, waitFor: 1 })(visit(world)))
          )
          const last = yield* Effect.forkChild(lock(visit(world)))
          yield* Effect.yieldNow
          yield* Fiber.interrupt(leaver)
          yield* Fiber.joinAll([holder, last])
          yield* Fiber.join(hasty)
          if (!isSound(world)) return yield* Effect.die(world)
          if (!(yield* isFree)) return yield* Effect.die("not free")
        }).pipe(Effect.provide(memory))
        yield* Explore.run(program, { runs: 600 })
        yield* Explore.run(program, { runs: 600, strategy: Explore.pct() })
      }))

    it.live("AC-48.2 opposite orders of keys never deadlock", () =>
      Effect.gen(function*() {
        const program = Effect.all([
          DistributedLock.withLocks(["a", "b"], { order })(Effect.yieldNow),
          DistributedLock.withLocks(["b", "a"], { order })(Effect.yieldNow)
        ], { concurrency: 2 }).pipe(Effect.provide(memory))
        yield* Explore.run(program, { runs: 500 })
        yield* Explore.run(program, { runs: 500, strategy: Explore.pct() })
      }))
  })

  describe(`a lock in ${order} order, interrupted at every step`, () => {
    const setup = Effect.map(Layer.build(memory), (context) => ({ ...makeWorld(), context }))
    const invariant = (world: World & { readonly context: Effect.Success<typeof setup>["context"] }) =>
      Effect.gen(function*() {
        if (!isSound(world)) return yield* Effect.die(world)
        if (!(yield* isFree)) return yield* Effect.die("not free")
      }).pipe(Effect.provide(world.context))

    it.live("gives back what it took: alone", () =>
      InterruptSweep.run({
        setup,
        program: (world) => DistributedLock.withLock("k", { order })(visit(world)).pipe(Effect.provide(world.context)),
        invariant,
        leaks: false,
        target: "all"
      }))

    it.live("gives back what it took: in a line of three", () =>
      InterruptSweep.run({
        setup,
        program: (world) =>
          Effect.all([1, 2, 3].map(() => DistributedLock.withLock("k", { order, passes: 1 })(visit(world))), {
            concurrency: "unbounded"
          }).pipe(Effect.provide(world.context)),
        invariant,
        leaks: false,
        target: "all"
      }), 120_000)

    it.live("gives back what it took: of many keys", () =>
      Effect.gen(function*() {
        const report = yield* InterruptSweep.run({
          setup,
          program: (world) =>
            DistributedLock.withLocks(["k", "j"], { order })(visit(world)({ token: 1n })).pipe(
              Effect.provide(world.context)
            ),
          invariant,
          leaks: false
        })
        assert.isAbove(report.points, 20)
      }))

    it.live("tryLock gives back what it took", () =>
      InterruptSweep.run({
        setup,
        program: (world) => DistributedLock.tryLock("k", { order })(visit(world)).pipe(Effect.provide(world.context)),
        invariant,
        leaks: false
      }))
  })
}
