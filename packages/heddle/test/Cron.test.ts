import { assert, describe, it } from "@effect/vitest"
import { cronLaws } from "@heddle/testkit/laws"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { Cron, KvStore, LeaderElection, LeaseAbility, LeaseStore } from "heddle/coordination"
import * as SharedKvMemory from "./SharedKvMemory.ts"
import * as SharedMemory from "./SharedMemory.ts"

const leases = await Effect.runPromise(Scope.provide(SharedMemory.make, Scope.makeUnsafe()))

cronLaws("memory", Layer.mergeAll(leases.layer, LeaseAbility.layerAll, SharedKvMemory.layer))

const memory = Layer.mergeAll(LeaseStore.layerMemory, KvStore.layerMemory, Logger.layer([]))
const options = { name: "job", schedule: "* * * * *" }

/** Notes each tick: its minute, with a `!` where it makes up for others. */
const noting = (seen: Array<string>) => ({ at, missed }: Cron.Tick) =>
  Effect.sync(() => {
    seen.push(`${DateTime.toEpochMillis(at) / 60_000}${missed ? "!" : ""}`)
  })

const counts = Effect.map(
  Metric.snapshot,
  (all) =>
    all.flatMap((one) =>
      one.id === "heddle_cron_ticks_total" && one.type === "Counter"
        ? [[one.attributes?.["cron"], one.attributes?.["outcome"], Number(one.state.count)]]
        : []
    )
)

describe("Cron in memory", () => {
  it.effect("runs each tick at its time, once, however many processes there are", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const job = Cron.run(options)(noting(seen))
      yield* Effect.forkChild(Effect.all([job, job, job], { concurrency: "unbounded" }))
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["1"])
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(seen, ["1", "2", "3", "4", "5"])
    }).pipe(Effect.provide(memory)))

  it.effect("moves when the process that leads is gone, and comes back", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fleet = new Map<string, Fiber.Fiber<never, Cron.CronError>>()
      for (const owner of ["a", "b", "c"]) {
        const job = Cron.run({ ...options, owner })((tick) =>
          Effect.andThen(noting(seen)(tick), Effect.sync(() => seen.push(owner)))
        )
        fleet.set(owner, yield* Effect.forkChild(job))
      }
      for (let minute = 1; minute <= 3; minute++) {
        yield* TestClock.adjust("1 minute")
        const { owner } = yield* Effect.flatMap(LeaderElection.leader("cron/job"), Effect.fromOption)
        assert.deepStrictEqual(seen.splice(0), [`${minute}`, owner])
        const leader = fleet.get(owner)
        if (leader === undefined) return assert.fail(`${owner} leads again`)
        yield* Fiber.interrupt(leader)
        fleet.delete(owner)
      }
    }).pipe(Effect.provide(memory)))

  for (const [missed, wanted] of [["skip", ["1", "4", "7"]], ["once", ["1", "3!", "6!"]]] as const) {
    it.effect(`ticks that come while a run takes too long are missed: ${missed}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const slow = Cron.run({ ...options, missed })((tick) =>
          Effect.andThen(noting(seen)(tick), Effect.sleep("150 seconds"))
        )
        yield* Effect.forkChild(slow)
        yield* TestClock.adjust("8 minutes")
        assert.deepStrictEqual(seen, [...wanted])
      }).pipe(Effect.provide(memory)))
  }

  for (const [missed, wanted] of [["skip", ["1", "63"]], ["once", ["1", "62!", "63"]]] as const) {
    it.effect(`ticks that come while nobody leads are missed: ${missed}`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const job = Cron.run({ ...options, missed })(noting(seen))
        const first = yield* Effect.forkChild(job)
        yield* TestClock.adjust("90 seconds")
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("61 minutes")
        yield* Effect.forkChild(job)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(seen, [...wanted])
      }).pipe(Effect.provide(memory)))
  }

  it.effect("a tick that has begun is not run again, by nobody", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const job = Cron.run({ ...options, missed: "once" })((tick) => Effect.andThen(noting(seen)(tick), Effect.never))
      const first = yield* Effect.forkChild(job)
      yield* TestClock.adjust("1 minute")
      const second = yield* Effect.forkChild(job)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(seen, ["1"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["1", "2"])
      yield* Fiber.interrupt(second)
    }).pipe(Effect.provide(memory)))

  it.effect("a tick that fails or dies is counted, and the schedule goes on", () =>
    Effect.gen(function*() {
      let runs = 0
      const ends = [Effect.fail("no"), Effect.die("bug"), Effect.interrupt, Effect.void]
      yield* Effect.forkChild(Cron.run(options)(Effect.suspend(() => ends[runs++] ?? Effect.void)))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(runs, 5)
      assert.sameDeepMembers(yield* counts, [["job", "ran", 2], ["job", "failed", 2], ["job", "interrupted", 1]])
    }).pipe(Effect.provide(memory), Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("a schedule is read in its zone", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const daily = { name: "job", schedule: "30 2 * * *", ttl: "1 day" } as const
      yield* Effect.forkChild(Cron.run(daily)(noting(seen)))
      yield* Effect.forkChild(Cron.run({ ...daily, name: "east", zone: "Asia/Tokyo" })(noting(seen)))
      yield* TestClock.adjust("18 hours")
      assert.deepStrictEqual(seen, [String(2 * 60 + 30), String(17 * 60 + 30)])
    }).pipe(Effect.provide(memory)))

  it.effect("who learns of a later term begins no tick, and campaigns again", () =>
    Effect.gen(function*() {
      const terms: Array<bigint> = []
      yield* Effect.forkChild(Cron.run(options)(({ term }) => Effect.sync(() => terms.push(term))))
      yield* TestClock.adjust("1 minute")
      const store = yield* KvStore.KvStore
      const noted = { last: 60_000, term: `${(terms[0] ?? 0n) + 1n}` }
      yield* store.put("heddle/cron/job", new TextEncoder().encode(JSON.stringify(noted)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(terms.length, 1)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(terms.length, 2)
      assert.isTrue((terms[1] ?? 0n) > (terms[0] ?? 0n))
    }).pipe(Effect.provide(memory)))

  it.effect("a state that cannot be decoded ends it", () =>
    Effect.gen(function*() {
      yield* (yield* KvStore.KvStore).put("heddle/cron/job", Uint8Array.of(1))
      assert.strictEqual((yield* Effect.flip(Cron.run(options)(Effect.void)))._tag, "Undecodable")
    }).pipe(Effect.provide(memory)))

  it.effect("a layer whose store is away at its start runs ticks when it is back; an effect fails", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const shared = yield* SharedMemory.make
      const stores = Layer.mergeAll(shared.layer, LeaseAbility.layerAll, KvStore.layerMemory)
      const away = yield* Scope.make()
      yield* Scope.provide(shared.cut, away)
      const services = yield* Layer.build(stores)
      const failed = yield* Effect.flip(Effect.provide(Cron.run(options)(Effect.void), services))
      assert.strictEqual(failed._tag, "StoreUnavailable")
      yield* Effect.provide(Layer.build(Cron.layer(options)(noting(seen))), services)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(seen, [])
      yield* Scope.close(away, Exit.void)
      yield* TestClock.adjust("61 seconds")
      assert.deepStrictEqual(seen, ["3"])
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("a layer refuses what means nothing, and runs for as long as it lives", () =>
    Effect.gen(function*() {
      const wrong = { schedule: "* * *", name: "", zone: "Mars", ttl: 0, owner: "x".repeat(1025) }
      for (const [field, value] of Object.entries(wrong)) {
        const layer = Cron.layer({ ...options, [field]: value })(Effect.void)
        const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
        assert.deepInclude(error, { _tag: "InvalidKey", field: field === "zone" ? "schedule" : field })
      }
      const never = yield* Effect.flip(Cron.run({ ...options, schedule: "0 0 30 2 *" })(Effect.void))
      assert.deepInclude(never, { _tag: "InvalidKey", field: "schedule" })
      const seen: Array<string> = []
      const scope = yield* Scope.make()
      yield* Scope.provide(Layer.build(Cron.layer(options)(noting(seen))), scope)
      yield* TestClock.adjust("1 minute")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(seen, ["1"])
    }).pipe(Effect.provide(memory)))
})
