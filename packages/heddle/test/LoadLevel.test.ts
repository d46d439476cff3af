import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import {
  AdaptiveLimiter,
  Bulkhead,
  CircuitBreaker,
  LoadLevel,
  RateLimiter,
  RateLimiterStore,
  Sensor
} from "heddle/resilience"

const { emergency, full, minimal, reduced } = {
  full: "full",
  reduced: "reduced",
  minimal: "minimal",
  emergency: "emergency"
} as const

/** A sensor that reads what it is told. */
const told = (at: Sensor.Thresholds = [70, 85, 95]) => {
  const sensor = { name: "cpu", at, value: 0, read: () => Effect.sync(() => sensor.value) }
  return sensor
}

const current = Effect.flatMap(LoadLevel.LoadLevel, ({ level }) => level)

/** What the level is after each reading. */
const levelsOf = (sensor: { value: number }, values: ReadonlyArray<number>) =>
  Effect.forEach(values, (value) =>
    Effect.gen(function*() {
      sensor.value = value
      yield* TestClock.adjust("1 second")
      return yield* current
    }))

const withLevel = <A, E>(
  sensors: ReadonlyArray<Sensor.Sensor>,
  program: Effect.Effect<A, E, LoadLevel.LoadLevel>,
  options?: Partial<LoadLevel.Options>
) => Effect.provide(program, LoadLevel.layer({ name: "shop", sensors, ...options }))

const rise = (level: LoadLevel.Level) => LoadLevel.requires(level)(Effect.succeed(level))
const runs = (level: LoadLevel.Level) => Effect.map(Effect.exit(rise(level)), Exit.isSuccess)

describe("a load level", () => {
  it.effect("AC-15.1 is what the sensors say, and each level leaves out all that the better ones do", () => {
    const sensor = told()
    return withLevel(
      [sensor],
      Effect.gen(function*() {
        assert.strictEqual(yield* current, full)
        const seen = yield* levelsOf(sensor, [69.9, 70, 84.9, 85, 94.9, 95, 200])
        assert.deepStrictEqual(seen, [full, reduced, reduced, minimal, minimal, emergency, emergency])
        // From full to emergency in one step, and what the levels between leave out is left out too.
        assert.deepStrictEqual(
          yield* Effect.forEach([full, reduced, minimal, emergency], runs),
          [false, false, false, true]
        )
        const sizes = LoadLevel.pick({ full: 20, reduced: 10, minimal: 5, emergency: 1 })
        assert.strictEqual(yield* sizes, 1)
        sensor.value = 0
        yield* TestClock.adjust("11 seconds")
        assert.deepStrictEqual(
          yield* Effect.forEach([full, reduced, minimal, emergency], runs),
          [true, true, true, true]
        )
        assert.strictEqual(yield* sizes, 20)
      })
    )
  })

  it.effect("AC-15.1 has the thresholds of its table, and any one sensor suffices", () =>
    Effect.gen(function*() {
      const requests = yield* Sensor.requests()
      const table = [Sensor.cpu().at, Sensor.memory().at, requests.errors().at]
      assert.deepStrictEqual(table, [[70, 85, 95], [80, 90, 95], [5, 10, 20]])
      for (const at of [...table, requests.rate([1000, 2000, 3000]).at]) {
        const [calm, other] = [told(), told(at)]
        const seen = yield* withLevel(
          [calm, { ...other, name: "other" }],
          levelsOf(other, at.flatMap((from) => [from - 0.1, from]))
        )
        assert.deepStrictEqual(seen, [full, reduced, reduced, minimal, minimal, emergency])
      }
    }))

  it.effect("AC-15.2 does not swing with a value that does", () => {
    const sensor = told()
    return withLevel(
      [sensor],
      Effect.gen(function*() {
        const seen = yield* levelsOf(sensor, Array.from({ length: 100 }, (_, index) => 69 + index % 2))
        const changes = seen.filter((level, index) => level !== (seen[index - 1] ?? full)).length
        assert.deepStrictEqual([changes, seen.at(-1)], [1, reduced])
      })
    )
  })

  it.effect("gets better only when it was calm for the dwell time, and then to the worst of that time", () => {
    const sensor = told()
    return withLevel(
      [sensor],
      Effect.gen(function*() {
        yield* levelsOf(sensor, [95])
        assert.deepStrictEqual(yield* levelsOf(sensor, [10, 86, 10, 10]), [emergency, emergency, emergency, emergency])
        // The margin of a tenth: 86 would be calm for 95 and is none.
        const after = yield* levelsOf(sensor, [10, 10, 72, 10, 10, 10, 10, 10, 10])
        assert.deepStrictEqual(after.slice(0, 7).every((level) => level === emergency), true)
        assert.strictEqual(after.at(-1), reduced)
      })
    )
  })

  it.effect("AC-15.3 bounds what runs across the change", () => {
    const sensor = told()
    return withLevel(
      [sensor],
      Effect.scoped(Effect.gen(function*() {
        const bulkhead = yield* Bulkhead.make({ name: "shop", running: 20, waiting: 100 })
        yield* LoadLevel.follow((level) => bulkhead.resize(level === full ? 20 : 5))
        const work = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => Effect.forkChild(bulkhead.run(Effect.sleep("3 seconds")), { startImmediately: true })
        )
        yield* levelsOf(sensor, [80])
        const more = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => Effect.forkChild(bulkhead.run(Effect.sleep("3 seconds")), { startImmediately: true })
        )
        assert.deepInclude(yield* bulkhead.occupancy, { running: 20, waiting: 20, places: 5 })
        yield* levelsOf(sensor, [80, 80])
        assert.deepInclude(yield* bulkhead.occupancy, { running: 5, waiting: 15 })
        yield* Fiber.interruptAll([...work, ...more])
      }))
    )
  })

  it.effect("AC-15.4 counts each request once, and no refusal of its own", () =>
    Effect.gen(function*() {
      const requests = yield* Sensor.requests()
      const errors = requests.errors()
      const value = errors.read({ elapsed: 1000, late: 0 })
      assert.strictEqual(yield* value, 0)
      yield* Effect.replicateEffect(requests.track(Effect.void), 3)
      yield* Effect.exit(requests.track(Effect.fail("bad")))
      assert.strictEqual(yield* value, 25)
      const degraded = LoadLevel.requires(full)(Effect.void).pipe(Effect.provide(LoadLevel.layerFixed(emergency)))
      yield* Effect.replicateEffect(Effect.exit(requests.track(degraded)), 100)
      const caller = yield* Effect.forkChild(requests.track(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(caller)
      assert.strictEqual(yield* value, 25)
      yield* Effect.exit(requests.track(Effect.die("bug")))
      assert.strictEqual(yield* value, 40)
      assert.strictEqual(yield* requests.rate([1, 2, 3]).read({ elapsed: 1000, late: 0 }), 0.5)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* value, 0)
      yield* Effect.replicateEffect(Effect.exit(requests.track(Effect.fail("bad"))), 7)
      assert.strictEqual(yield* value, 100)
    }))

  it.effect("AC-15.4 takes the refusal of no policy for a failure of the service", () =>
    Effect.gen(function*() {
      const requests = yield* Sensor.requests()
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1 })
      const patient = yield* Bulkhead.make({ name: "db", running: 1, waiting: 1, waitFor: 10 })
      const limiter = yield* AdaptiveLimiter.make({ name: "db", start: 1 })
      const breaker = yield* CircuitBreaker.make({ name: "db", trip: CircuitBreaker.consecutive(1) })
      const rate = yield* RateLimiter.make({ name: "db", limit: 1, per: "1 minute" })
      yield* Effect.forkChild(Effect.all([bulkhead, patient, limiter].map(({ run }) => run(Effect.never)), {
        concurrency: 3
      }))
      yield* Effect.yieldNow
      yield* Effect.exit(breaker.run(Effect.fail("bad")))
      yield* rate.take()
      const calls: Readonly<Record<string, Effect.Effect<void, { readonly _tag: string }>>> = {
        BulkheadFull: bulkhead.run(Effect.void),
        BulkheadTimeout: patient.run(Effect.void),
        LimitReached: limiter.run(Effect.void),
        CircuitOpen: breaker.run(Effect.void),
        RateLimited: rate.run({ waitFor: 0 })(Effect.void),
        CircuitStoreDown: Effect.fail(new CircuitBreaker.CircuitStoreDown({ name: "db", message: "down" })),
        Degraded: LoadLevel.requires(full)(Effect.void).pipe(Effect.provide(LoadLevel.layerFixed(emergency)))
      }
      for (const [tag, call] of Object.entries(calls)) {
        const refused = yield* Effect.forkChild(Effect.flip(requests.track(call)), { startImmediately: true })
        yield* TestClock.adjust(10)
        assert.strictEqual((yield* Fiber.join(refused))._tag, tag)
      }
      assert.strictEqual(yield* requests.rate([1, 2, 3]).read({ elapsed: 1000, late: 0 }), 0)
    }).pipe(Effect.provide(RateLimiterStore.layerMemory)))

  it.effect("AC-15.5 is full again within the dwell time and two readings after the load has gone", () => {
    const sensor = told()
    return withLevel(
      [sensor],
      Effect.gen(function*() {
        yield* levelsOf(sensor, [99, 99, 99])
        const after = yield* levelsOf(sensor, Array.from({ length: 12 }, () => 0))
        assert.strictEqual(after.at(-1), full)
      })
    )
  })

  it.effect("tells each change and the sensor that made it, and counts them", () => {
    const [one, two] = [told(), { ...told(), name: "errors" }]
    two.read = () => Effect.sync(() => two.value)
    return withLevel(
      [one, two],
      Effect.gen(function*() {
        const { changes } = yield* LoadLevel.LoadLevel
        const heard = yield* Effect.forkChild(Stream.runCollect(Stream.take(changes, 2)))
        yield* Effect.yieldNow
        two.value = 90
        one.value = NaN
        yield* TestClock.adjust("1 second")
        two.value = 0
        yield* TestClock.adjust("11 seconds")
        assert.deepStrictEqual(yield* Fiber.join(heard), [
          { from: full, to: minimal, because: { sensor: "errors", value: 90 } },
          { from: minimal, to: full, because: undefined }
        ])
        const counts = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
          attributes?.["service"] === "shop"
            ? [[attributes["to"] ?? id, "count" in state ? state.count : "value" in state ? state.value : 0]]
            : []
        )
        assert.deepStrictEqual(Object.fromEntries(counts), {
          heddle_load_level: 0,
          full: 1,
          reduced: 0,
          minimal: 1,
          emergency: 0
        })
      })
    ).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  })

  it.effect("stops reading when its scope closes", () =>
    Effect.gen(function*() {
      let reads = 0
      const sensor: Sensor.Sensor = { name: "cpu", at: [1, 2, 3], read: () => Effect.sync(() => (reads++, 0)) }
      yield* withLevel([sensor], TestClock.adjust("3 seconds"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reads, 3)
    }))

  it.effect("refuses options that mean nothing", () =>
    Effect.gen(function*() {
      const wrong = (options: Partial<LoadLevel.Options>) =>
        Effect.map(Effect.flip(withLevel([], Effect.void, options)), ({ option }) => option)
      assert.strictEqual(yield* wrong({ name: "" }), "name")
      assert.strictEqual(yield* wrong({ interval: 0 }), "interval")
      assert.strictEqual(yield* wrong({ dwell: NaN }), "dwell")
      assert.strictEqual(yield* wrong({ margin: 2 }), "margin")
      assert.strictEqual(yield* wrong({ sensors: [told([2, 1, 3])] }), "sensors.cpu.at")
      assert.strictEqual(yield* wrong({ sensors: [told([NaN, 1, 3])] }), "sensors.cpu.at")
    }))
})

describe("the sensors of the process", () => {
  it.live("read what the process does", () =>
    Effect.gen(function*() {
      const tick = { elapsed: 50, late: 7 }
      const cpu = Sensor.cpu()
      assert.strictEqual(yield* cpu.read(tick), 0)
      const end = performance.now() + 30
      while (performance.now() < end);
      const used = yield* cpu.read(tick)
      assert.isTrue(used > 0 && used <= 100)
      const memory = yield* Sensor.memory().read(tick)
      assert.isTrue(memory > 0 && memory < 100)
      assert.strictEqual(yield* Sensor.eventLoop().read(tick), 7)
    }))
})
