import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { CircuitBreaker as Store } from "effect/persistence"
import { TestClock } from "effect/testing"
import { CircuitBreaker } from "heddle/resilience"

const options = { name: "db", trip: CircuitBreaker.consecutive(2), openFor: 1000 } as const
const memory = Effect.provide(Store.layerStoreMemory())

/** A store of which each step fails, and how often it was asked. */
const makeBroken = () => {
  const store = { asked: 0 }
  const down = Effect.suspend(() => {
    store.asked++
    const reason = new Store.CircuitBreakerStoreError({ message: "gone", cause: "gone" })
    return Effect.fail(new Store.CircuitBreakerError({ reason }))
  })
  const service = { admit: () => down, record: () => down, state: () => down }
  return Object.assign(store, { provide: Effect.provideService(Store.CircuitBreakerStore, service) })
}

/** Two of a fleet, whose circuit's open time is just over. */
const halfOpen = Effect.gen(function*() {
  const here = yield* CircuitBreaker.shared(options)
  const there = yield* CircuitBreaker.shared(options)
  yield* Effect.exit(here.run(Effect.fail("bad")))
  yield* Effect.exit(there.run(Effect.fail("bad")))
  yield* Effect.sleep(1000)
  return { here, there, probes: 0 }
})
type World = Effect.Success<typeof halfOpen>

const probe = (world: World, breaker: World["here"], end: Effect.Effect<void, string>) =>
  breaker.run(Effect.acquireUseRelease(
    Effect.sync(() => ++world.probes),
    (now) => now > 1 ? Effect.die("two probes") : Effect.andThen(Effect.yieldNow, end),
    () => Effect.sync(() => void world.probes--)
  ))

/** Whether the place of the probe is not lost: one more call closes it. */
const recovers = ({ here, there }: World) =>
  Effect.gen(function*() {
    if ((yield* there.state) === "open") yield* Effect.sleep(1000)
    yield* here.run(Effect.void)
    if ((yield* there.state) !== "closed") return yield* Effect.die(yield* there.state)
  })

describe("a circuit that a fleet shares, under every kind of interleaving", () => {
  it.live("runs one probe at a time, and loses no place", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = yield* halfOpen
        const leaver = yield* Effect.forkChild(Effect.exit(probe(world, world.here, Effect.void)))
        const fibers = yield* Effect.forEach([
          probe(world, world.there, Effect.fail("bad")),
          probe(world, world.here, Effect.void)
        ], (one) => Effect.forkChild(Effect.exit(one)))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        yield* Fiber.joinAll(fibers)
        yield* recovers(world)
      }).pipe(Effect.scoped, memory)
      yield* Explore.run(program, { runs: 500 })
    }), 120_000)

  it.live("gives the place of a probe back wherever its caller is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: halfOpen.pipe(memory, Effect.scoped),
        program: (world) =>
          Effect.all([probe(world, world.here, Effect.yieldNow), probe(world, world.there, Effect.fail("bad"))], {
            concurrency: "unbounded",
            mode: "result"
          }),
        invariant: recovers,
        target: "all"
      })
      assert.isAbove(report.points, 10)
    }), 120_000)
})

describe("a circuit that a fleet shares", () => {
  it.effect("reads the end of a call as its options say, and leaves the call's errors alone", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.shared({
        ...options,
        classify: (exit) => exit._tag === "Failure" ? { _tag: "Failure", retryAfter: 5000 } : { _tag: "Success" }
      })
      // A call may itself be one of Effect's breaker: its refusal is the call's failure, and no word of our store.
      const inner = new Store.CircuitBreakerError({ reason: new Store.CircuitHalfOpen({ key: "inner" }) })
      assert.strictEqual(yield* Effect.flip(breaker.run(Effect.fail(inner))), inner)
      yield* Effect.exit(breaker.run(Effect.fail("bad")))
      const refusal = yield* Effect.flip(breaker.run(Effect.void))
      assert.deepStrictEqual([refusal._tag, refusal.retryAfter], ["CircuitOpen", 5000])
    }).pipe(Effect.scoped, memory))

  it.effect("counts nothing of a call that was interrupted, by itself or by its caller", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.shared(options)
      for (let call = 0; call < 3; call++) {
        yield* Effect.exit(breaker.run(Effect.interrupt))
        yield* Fiber.interrupt(yield* Effect.forkChild(breaker.run(Effect.never), { startImmediately: true }))
      }
      assert.strictEqual(yield* breaker.state, "closed")
    }).pipe(Effect.scoped, memory))

  it.effect("asks the store once for what calls of one turn would ask alike, and tells it everything in its order", () =>
    Effect.gen(function*() {
      const inner = yield* Store.CircuitBreakerStore
      const asked = new Array<string>()
      const counted: Store.CircuitBreakerStore["Service"] = {
        ...inner,
        admit: (key) => Effect.suspend(() => (asked.push("admit"), inner.admit(key))),
        record: (ended) => Effect.suspend(() => (asked.push(ended.outcome), inner.record(ended)))
      }
      const shared = (trip: CircuitBreaker.Trip) =>
        Effect.provideService(CircuitBreaker.shared({ ...options, trip }), Store.CircuitBreakerStore, counted)
      const ends = Array.from(
        "sssffsifffss",
        (end) => ({ s: Effect.void, f: Effect.fail("bad"), i: Effect.interrupt })[end] ?? Effect.void
      )
      const all = (breaker: CircuitBreaker.SharedCircuitBreaker) =>
        Effect.forEach(ends, (end) => Effect.exit(breaker.run(end)), { concurrency: "unbounded" })
      const inRow = yield* shared(CircuitBreaker.consecutive(4))
      yield* all(inRow)
      assert.deepStrictEqual(asked.splice(0), [
        "admit",
        "Success",
        "Failure",
        "Failure",
        "Success",
        "Ignored",
        "Failure",
        "Failure",
        "Failure",
        "Success"
      ])
      assert.strictEqual(yield* inRow.state, "closed")
      // Of a share of calls each one counts.
      yield* all(yield* shared(CircuitBreaker.rate({ failures: 1, of: { calls: 20 }, minimumCalls: 20 })))
      assert.strictEqual(asked.length, 1 + ends.length)
    }).pipe(Effect.scoped, memory))

  it.effect("lets one call probe where many ask in one turn, and the others are refused", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.shared(options)
      yield* Effect.exit(breaker.run(Effect.fail("bad")))
      yield* Effect.exit(breaker.run(Effect.fail("bad")))
      yield* TestClock.adjust(1000)
      let probes = 0
      const probe = Effect.andThen(Effect.sync(() => probes++), Effect.sleep(10))
      const fibers = yield* Effect.replicateEffect(Effect.forkChild(Effect.exit(breaker.run(probe))), 50)
      yield* TestClock.adjust(10)
      const exits = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual([probes, exits.filter(Exit.isSuccess).length], [1, 1])
      assert.strictEqual(yield* breaker.state, "closed")
    }).pipe(Effect.scoped, memory))

  it.effect("trips by a share of calls", () =>
    Effect.gen(function*() {
      const trip = CircuitBreaker.rate({ failures: 0.5, of: { calls: 4 }, minimumCalls: 4 })
      const breaker = yield* CircuitBreaker.shared({ ...options, trip })
      for (const call of [Effect.void, Effect.void, Effect.fail("bad")]) yield* Effect.exit(breaker.run(call))
      assert.strictEqual(yield* breaker.state, "closed")
      yield* Effect.exit(breaker.run(Effect.fail("bad")))
      assert.strictEqual(yield* breaker.state, "open")
    }).pipe(Effect.scoped, memory))

  it.effect("does not ask a store that has failed for a second", () =>
    Effect.gen(function*() {
      const store = makeBroken()
      const breaker = yield* store.provide(CircuitBreaker.shared({ ...options, storeDown: "refuse" }))
      const first = yield* Effect.flip(breaker.run(Effect.void))
      assert.deepStrictEqual([first._tag, first.message], ["CircuitStoreDown", "the store of db: gone"])
      assert.notInclude(first.stack ?? "", "\n    at ")
      yield* TestClock.adjust(999)
      yield* Effect.exit(breaker.run(Effect.void))
      assert.strictEqual(store.asked, 1)
      yield* TestClock.adjust(1)
      yield* Effect.exit(breaker.run(Effect.void))
      assert.strictEqual(store.asked, 2)
    }).pipe(Effect.scoped))

  it.effect("refuses what a store cannot count", () =>
    Effect.gen(function*() {
      const timed = CircuitBreaker.rate({ failures: 0.5, of: { during: "1 second" }, minimumCalls: 1 })
      const slow = CircuitBreaker.rate({
        failures: 0.5,
        of: { calls: 9 },
        minimumCalls: 1,
        slow: { than: 1, share: 1 }
      })
      const made = [
        CircuitBreaker.shared({ name: "db", trip: timed }),
        CircuitBreaker.shared({ name: "db", trip: slow }),
        CircuitBreaker.shared({ name: "" })
      ]
      const wrong = yield* Effect.forEach(made, (one) => Effect.map(Effect.flip(one), ({ option }) => option))
      assert.deepStrictEqual(wrong, ["trip", "trip", "name"])
    }).pipe(Effect.scoped, memory))
})
