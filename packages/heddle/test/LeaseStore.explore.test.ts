import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Lease, LeaseStore } from "heddle/coordination"
import * as SharedMemory from "./SharedMemory.ts"

const resource = "r"
const limit = 3
const memory = Layer.fresh(LeaseStore.layerMemory)

/** What happened in one run: permits in use now and at most, and the tokens in order of grant. */
const makeWorld = () => ({ used: 0, most: 0, tokens: Array<bigint>() })
type World = ReturnType<typeof makeWorld>

const use = (world: World) => (lease: Lease.Lease) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      world.used += lease.permits
      world.most = Math.max(world.most, world.used)
      world.tokens.push(lease.token)
    }),
    () => Effect.yieldNow,
    () => Effect.sync(() => world.used -= lease.permits)
  )

const visit = (world: World, permits: number, waitFor = 1000) =>
  LeaseStore.withLease({ resource, permits, limit, waitFor, ttl: "1 day" }, use(world))

/** Permits are neither doubled nor lost: never more than there are, and all are there again. */
const sound = (world: World) =>
  Effect.gen(function*() {
    const store = yield* LeaseStore.LeaseStore
    assert.isAtMost(world.most, limit)
    assert.strictEqual(world.used, 0)
    assert.strictEqual(new Set(world.tokens).size, world.tokens.length)
    assert.deepStrictEqual(yield* store.inspect(resource), { limit: undefined, holders: [], waiters: [] })
    const all = yield* Effect.scoped(store.tryClaim({ resource, permits: limit, limit }))
    assert.isTrue(Option.isSome(all))
  })

const explore = <A, E>(program: Effect.Effect<A, E>) =>
  Effect.andThen(
    Explore.run(program, { runs: 400 }),
    Explore.run(program, { runs: 400, strategy: Explore.pct() })
  )

describe("LeaseStore under every kind of interleaving", () => {
  it.live("permits are neither doubled nor lost", () =>
    explore(
      Effect.gen(function*() {
        const world = makeWorld()
        yield* Effect.forEach([1, 2, 3, 2, 1], (permits) => visit(world, permits), { concurrency: "unbounded" })
        assert.strictEqual(world.tokens.length, 5)
        yield* sound(world)
      }).pipe(Effect.provide(memory))
    ))

  it.live("nor where waiters are interrupted, give up, or do not wait, while they are served", () =>
    explore(
      Effect.gen(function*() {
        const world = makeWorld()
        const store = yield* LeaseStore.LeaseStore
        const first = yield* Effect.forkChild(visit(world, 3))
        const leaver = yield* Effect.forkChild(visit(world, 2))
        const scoped = yield* Effect.forkChild(Effect.scoped(store.claim({ resource, permits: 3, limit })))
        const hasty = yield* Effect.forkChild(Effect.exit(visit(world, 3, 1)))
        const trier = yield* Effect.forkChild(Effect.scoped(store.tryClaim({ resource, limit })))
        const last = yield* Effect.forkChild(visit(world, 3))
        yield* Effect.yieldNow
        yield* Fiber.interruptAll([leaver, scoped])
        yield* Fiber.joinAll([first, last])
        yield* Fiber.join(hasty)
        yield* Fiber.join(trier)
        yield* sound(world)
      }).pipe(Effect.provide(memory))
    ))

  it.live("a lease is renewed for as long as it is used, and its line waits", () =>
    explore(
      Effect.gen(function*() {
        const world = makeWorld()
        const hold = LeaseStore.withLease(
          { resource, permits: limit, limit, ttl: 30 },
          (lease) => Effect.andThen(use(world)(lease), Effect.andThen(Effect.sleep(200), use(world)(lease)))
        )
        yield* Effect.all([hold, visit(world, 1)], { concurrency: "unbounded" })
        assert.strictEqual(world.most, limit)
        assert.strictEqual(world.tokens.length, 3)
      }).pipe(Effect.provide(memory))
    ))

  it.live("no step is taken under a lease that ran out once the next one was granted", () =>
    explore(
      Effect.scoped(Effect.gen(function*() {
        const shared = yield* SharedMemory.make
        let newest = 0n
        const late: Array<bigint> = []
        const step = (lease: Lease.Lease) =>
          Effect.sync(() => {
            if (lease.token < newest) late.push(lease.token)
            newest = lease.token > newest ? lease.token : newest
          })
        const section = (lease: Lease.Lease) =>
          Effect.gen(function*() {
            yield* Effect.forkChild(Effect.forever(Effect.andThen(step(lease), Effect.sleep(1))))
            for (let steps = 0; steps < 30; steps++) yield* Effect.andThen(step(lease), Effect.sleep(3))
          })
        const hold = (ttl: number) =>
          LeaseStore.withLease({ resource, ttl }, section).pipe(Effect.provide(Layer.fresh(shared.layer)), Effect.exit)
        const cut = Effect.andThen(Effect.sleep(5), Effect.scoped(Effect.andThen(shared.cut, Effect.sleep(60))))
        const [one, two] = yield* Effect.all([hold(20), hold(2000), cut], { concurrency: "unbounded" })
        assert.deepStrictEqual(late, [])
        assert.isTrue(Exit.isSuccess(one) || Exit.isSuccess(two))
      }))
    ))
})

describe("LeaseStore interrupted at every step", () => {
  const setup = Effect.map(Layer.build(memory), (context) => ({ world: makeWorld(), context }))
  type Setup = Effect.Success<typeof setup>
  const sweep = (program: (world: World) => Effect.Effect<unknown, unknown, LeaseStore.LeaseStore>) =>
    Effect.map(
      InterruptSweep.run({
        setup,
        program: ({ context, world }: Setup) => Effect.provide(program(world), context),
        invariant: ({ context, world }) => Effect.provide(sound(world), context),
        target: "all",
        // The store's own fibers live on.
        leaks: false
      }),
      (report) => assert.isAbove(report.points, 20)
    )

  it.live("a lease goes back: alone", () => sweep((world) => visit(world, 2)))

  it.live("a lease goes back: of a scoped claim, waited for or not", () =>
    sweep((world) =>
      Effect.gen(function*() {
        const store = yield* LeaseStore.LeaseStore
        const request = { resource, permits: 2, limit }
        const claim = Effect.scoped(Effect.flatMap(store.claim(request), use(world)))
        const tried = Effect.scoped(Effect.flatMap(
          store.tryClaim(request),
          Option.match({
            onNone: () => Effect.void,
            onSome: use(world)
          })
        ))
        yield* Effect.all([claim, claim, tried], { concurrency: "unbounded" })
      })
    ), 120_000)

  it.live(
    "a lease goes back: in a line of four, one of which gives up",
    () =>
      sweep((world) =>
        Effect.all([visit(world, 2), visit(world, 3), visit(world, 3, 1), visit(world, 1)], {
          concurrency: "unbounded",
          mode: "result"
        })
      ),
    120_000
  )
})
