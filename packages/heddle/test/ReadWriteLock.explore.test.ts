import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { DistributedSemaphore, LeaseStore, ReadWriteLock } from "heddle/coordination"
import { attempts } from "./attempts.ts"

const memory = Layer.fresh(LeaseStore.layerMemory)

/** How many read and write at this moment, and how much of the semaphore is held. */
const makeWorld = () => ({ reading: 0, writing: 0, held: 0, wrong: false })
type World = ReturnType<typeof makeWorld>

const inside = (world: World, enter: () => void, leave: () => void) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      enter()
      world.wrong ||= world.writing > 1 || (world.writing > 0 && world.reading > 0) || world.held > 3
    }),
    () => Effect.yieldNow,
    () => Effect.sync(leave)
  )

const reads = (world: World) => inside(world, () => void world.reading++, () => void world.reading--)
const writes = (world: World) => inside(world, () => void world.writing++, () => void world.writing--)
const takes = (world: World, permits: number) =>
  inside(world, () => void (world.held += permits), () => void (world.held -= permits))

const read = (world: World) => ReadWriteLock.withRead("k")(reads(world))
const write = (world: World) => ReadWriteLock.withWrite("k")(writes(world))
/** Writes, then reads on, without a gap. */
const change = (world: World) =>
  ReadWriteLock.withWrite("k")((lease) => Effect.andThen(writes(world), Effect.andThen(lease.downgrade, reads(world))))
const semaphore = DistributedSemaphore.make({ key: "s", permits: 3 })
const take = (world: World, permits: number) => semaphore.withPermits(permits)(takes(world, permits))

const sound = (world: World) =>
  Effect.gen(function*() {
    if (world.wrong || world.reading + world.writing + world.held !== 0) return yield* Effect.die(world)
    const { readers, waiters, writer } = yield* ReadWriteLock.inspect("k")
    if (readers.length + waiters.length > 0 || writer !== undefined) return yield* Effect.die("not free")
    if ((yield* semaphore.available) !== 3) return yield* Effect.die("permits are missing")
  })

describe("readers, writers and permits, under every kind of interleaving", () => {
  it.live("are never together with whom they must not be, and all get through", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = makeWorld()
        const all = [read, write, change, read, write].map((one) => one(world))
        const leaver = yield* Effect.forkChild(write(world))
        const fibers = yield* Effect.forEach([...all, take(world, 2), take(world, 3), take(world, 1)], (one) =>
          Effect.forkChild(one))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        yield* Fiber.joinAll(fibers)
        yield* sound(world)
      }).pipe(Effect.provide(memory))
      yield* Explore.run(program, { runs: 400 })
      yield* Explore.run(program, { runs: 400, strategy: Explore.pct() })
    }), 120_000)

  const setup = Effect.map(Layer.build(memory), (context) => ({ ...makeWorld(), context }))
  const invariant = (world: Effect.Success<typeof setup>) => sound(world).pipe(Effect.provide(world.context))

  it.live("give back what they took, interrupted at any step", () =>
    Effect.gen(function*() {
      type Program = (
        world: World
      ) => Effect.Effect<unknown, unknown, ReadWriteLock.Needs | DistributedSemaphore.Needs>
      const programs: ReadonlyArray<Program> = [
        (world: World) => Effect.all([change(world), read(world), write(world)], { concurrency: 3 }),
        (world: World) => ReadWriteLock.tryWrite("k")(writes(world)),
        (world: World) => Effect.all([take(world, 3), take(world, 1), take(world, 2)], { concurrency: 3 }),
        (world: World) => semaphore.tryWithPermits(2)(takes(world, 2))
      ]
      for (const program of programs) {
        yield* InterruptSweep.run({
          setup,
          program: (world) => Effect.provide(program(world), world.context),
          invariant,
          leaks: false,
          target: "all"
        })
      }
    }), 120_000)

  it.live("are counted once an attempt, interrupted at any step", () => {
    const registry = (): typeof Metric.MetricRegistry.Service => new Map()
    const counted = Effect.map(setup, (world) => ({ ...world, registry: registry() }))
    return InterruptSweep.run({
      setup: counted,
      program: (world) =>
        Effect.all([read(world), write(world), take(world, 2), take(world, 3)], { concurrency: 4 }).pipe(
          Effect.provide(world.context),
          Effect.provideService(Metric.MetricRegistry, world.registry)
        ),
      invariant: ({ registry }) =>
        Effect.gen(function*() {
          for (const noun of ["rwlock", "semaphore"]) {
            const { holds, outcomes, waits } = yield* attempts(noun, { backend: "memory" })
            const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
            assert.strictEqual(ended, waits)
            assert.strictEqual((outcomes["success"] ?? 0) + (outcomes["lost"] ?? 0), holds)
          }
        }).pipe(Effect.provideService(Metric.MetricRegistry, registry)),
      leaks: false,
      target: "all"
    })
  }, 120_000)
})
