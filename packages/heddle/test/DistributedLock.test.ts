import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import { DistributedLock, LeaseStore } from "heddle/coordination"

const { tryLock, withLock, withLocks } = DistributedLock
const memory = Layer.fresh(LeaseStore.layerMemory)
const scene = <A, E>(title: string, program: () => Effect.Effect<A, E, LeaseStore.LeaseStore>) =>
  it.effect(title, () => Effect.provide(program(), memory))

/** Starts a fiber that holds the key until it is told to leave. */
const holding = Effect.fnUntraced(function*(key: string, options?: DistributedLock.LockOptions) {
  const entered = yield* Deferred.make<void>()
  const leave = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    withLock(key, options)(Effect.andThen(Deferred.succeed(entered, undefined), Deferred.await(leave)))
  )
  yield* Deferred.await(entered)
  return { fiber, leave: Effect.andThen(Deferred.succeed(leave, undefined), Fiber.join(fiber)) }
})

const isFree = (key: string) => Effect.map(tryLock(key)(Effect.void), Option.isSome)

describe("withLock", () => {
  for (const end of ["success", "failure", "defect", "interruption"] as const) {
    scene(`AC-41.4 gives the key back after ${end}`, () =>
      Effect.gen(function*() {
        const section = {
          success: Effect.void,
          failure: Effect.fail("no"),
          defect: Effect.die("no"),
          interruption: Effect.interrupt
        }[end]
        const exit = yield* Effect.exit(withLock("k")(section))
        assert.strictEqual(Exit.isSuccess(exit), end === "success")
        assert.isTrue(yield* isFree("k"))
      }))
  }

  for (const order of ["arrival", "cohort"] as const) {
    scene(`AC-41.4 lets in by arrival, each with a higher token (${order})`, () =>
      Effect.gen(function*() {
        const seen = yield* Ref.make<ReadonlyArray<readonly [number, bigint]>>([])
        const first = yield* holding("k", { order })
        const fibers = yield* Effect.forEach(Array.from({ length: 40 }, (_, i) => i), (i) =>
          Effect.forkChild(
            withLock("k", { order })((lease) => Ref.update(seen, (all) => [...all, [i, lease.token] as const])),
            { startImmediately: true }
          ))
        yield* first.leave
        yield* Fiber.joinAll(fibers)
        const order_ = yield* Ref.get(seen)
        assert.deepStrictEqual(order_.map(([i]) => i), Array.from({ length: 40 }, (_, i) => i))
        order_.forEach(([, token], i) => assert.isTrue(i === 0 || token > (order_[i - 1]?.[1] ?? 0n)))
      }))

    scene(`a wait has its bound, and leaves the line (${order})`, () =>
      Effect.gen(function*() {
        const holder = yield* holding("k", { order })
        const waiter = yield* Effect.forkChild(Effect.flip(withLock("k", { order, waitFor: "5 seconds" })(Effect.void)))
        yield* TestClock.adjust("5 seconds")
        const error = yield* Fiber.join(waiter)
        assert.strictEqual(error._tag, "LeaseTimeout")
        assert.include(error.message, "5000 ms")
        yield* holder.leave
        assert.isTrue(yield* isFree("k"))
      }))

    scene(
      `AC-42.4 with no time to wait, a free key is taken and a held one refused (${order})`,
      () =>
        Effect.gen(function*() {
          assert.strictEqual(yield* withLock("k", { order, waitFor: 0 })(Effect.succeed(1)), 1)
          const holder = yield* holding("k", { order })
          assert.strictEqual(
            (yield* Effect.flip(withLock("k", { order, waitFor: 0 })(Effect.void)))._tag,
            "LeaseTimeout"
          )
          assert.isTrue(Option.isNone(yield* tryLock("k", { order })(Effect.void)))
          yield* holder.leave
        })
    )

    scene(`AC-40.1, AC-48.1 the time to wait does not limit the work (${order})`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(
          withLock("k", { order, waitFor: "1 second", ttl: "2 seconds" })(Effect.as(Effect.sleep("1 hour"), "done"))
        )
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* Fiber.join(fiber), "done")
      }))
  }

  scene("AC-41.2 different keys do not block each other", () =>
    Effect.gen(function*() {
      const holder = yield* holding("a")
      assert.strictEqual(yield* withLock("b", { waitFor: 0 })(Effect.succeed("in")), "in")
      yield* holder.leave
    }))

  scene("a thousand waiters whose sections never suspend do not overflow the stack", () =>
    Effect.gen(function*() {
      for (const order of ["arrival", "cohort"] as const) {
        let entered = 0
        const holder = yield* holding("k", { order })
        const all = yield* Effect.forkChild(
          Effect.forEach(Array.from({ length: 5000 }), () => withLock("k", { order })(Effect.sync(() => entered++)), {
            concurrency: "unbounded",
            discard: true
          })
        )
        yield* holder.leave
        yield* Fiber.join(all)
        assert.strictEqual(entered, 5000)
      }
    }))

  scene("fibers forked by the section end with it", () =>
    Effect.gen(function*() {
      let ended = false
      yield* withLock("k")(
        Effect.forkChild(Effect.onExit(Effect.never, () => Effect.sync(() => ended = true)), { startImmediately: true })
      )
      assert.isTrue(ended)
    }))

  scene(
    "the section sees the caller's services and its failure reaches the caller unchanged",
    () =>
      Effect.gen(function*() {
        const cause = yield* Effect.sandbox(withLock("k")(Effect.fail({ _tag: "Mine" as const }))).pipe(Effect.flip)
        assert.deepStrictEqual(Option.getOrNull(Cause.findErrorOption(cause)), { _tag: "Mine" })
      })
  )

  scene("confirm waits for the store", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* withLock("k", { confirm: true })(Effect.succeed(2)), 2)
      assert.isTrue(yield* isFree("k"))
    }))
})

describe("AC-06.2 who holds the key", () => {
  scene("is told when it would wait for itself", () =>
    Effect.gen(function*() {
      const error = yield* withLock("k")(Effect.flip(withLock("k")(Effect.void)))
      assert.strictEqual(error._tag, "WouldDeadlock")
      assert.include(error.message, "reentrant: true")
    }))

  scene("enters again with reentrant, and so does a fiber it forked; others wait", () =>
    Effect.gen(function*() {
      const again = withLock("k", { reentrant: true, waitFor: 0 })
      const outside = yield* Deferred.make<string>()
      const inside = yield* withLock("k")((outer) =>
        Effect.gen(function*() {
          const own = yield* again((lease) => Effect.succeed(lease.token === outer.token))
          const forked = yield* Effect.forkChild(again(Effect.succeed(true)))
          return [own, yield* Fiber.join(forked), yield* Deferred.await(outside)]
        })
      ).pipe(Effect.forkChild({ startImmediately: true }))
      const error = yield* Effect.flip(again(Effect.void))
      yield* Deferred.succeed(outside, error._tag)
      assert.deepStrictEqual(yield* Fiber.join(inside), [true, true, "LeaseTimeout"])
    }))

  scene(
    "AC-06.3 is nobody any more once the section is over, also for a fiber that outlives it",
    () =>
      Effect.gen(function*() {
        const over = yield* Deferred.make<void>()
        const late = yield* withLock("k")(
          Effect.forkDetach(
            Effect.andThen(
              Deferred.await(over),
              Effect.flip(withLock("k", { reentrant: true, waitFor: 0 })(Effect.void))
            )
          )
        )
        const holder = yield* holding("k")
        yield* Deferred.succeed(over, undefined)
        assert.strictEqual((yield* Fiber.join(late))._tag, "LeaseTimeout")
        yield* holder.leave
      })
  )
})

describe("withLocks", () => {
  scene(
    "AC-48.2 takes each key once, in one global order, and gives the leases in the caller's",
    () =>
      Effect.gen(function*() {
        const tokens = yield* withLocks(["b", "a", "b"])((leases) =>
          Effect.succeed(leases.map((lease) => [lease.resource, lease.token] as const))
        )
        assert.deepStrictEqual(tokens.map(([resource]) => resource), ["lock/b", "lock/a", "lock/b"])
        assert.isTrue((tokens[1]?.[1] ?? 0n) < (tokens[0]?.[1] ?? 0n))
        assert.isTrue((yield* isFree("a")) && (yield* isFree("b")))
      })
  )

  scene("AC-48.2 holds all or none", () =>
    Effect.gen(function*() {
      const holder = yield* holding("b")
      const both = yield* Effect.forkChild(Effect.flip(withLocks(["a", "b"], { waitFor: "1 second" })(Effect.void)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(both))._tag, "LeaseTimeout")
      assert.isTrue(yield* isFree("a"))
      yield* holder.leave
    }))

  scene("AC-48.2 two callers with opposite orders pass ten thousand times", () =>
    Effect.gen(function*() {
      let done = 0
      const many = (keys: ReadonlyArray<string>) =>
        Effect.forEach(Array.from({ length: 5000 }), () => withLocks(keys)(Effect.sync(() => done++)), {
          discard: true
        })
      yield* Effect.all([many(["a", "b"]), many(["b", "a"])], { concurrency: 2 })
      assert.strictEqual(done, 10_000)
    }))

  scene("one bound for the whole wait", () =>
    Effect.gen(function*() {
      const a = yield* holding("a")
      const b = yield* holding("b")
      const both = yield* Effect.forkChild(Effect.flip(withLocks(["a", "b"], { waitFor: "10 seconds" })(Effect.void)))
      yield* TestClock.adjust("6 seconds")
      yield* a.leave
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual((yield* Fiber.join(both))._tag, "LeaseTimeout")
      yield* b.leave
    }))

  scene("AC-48.3 nesting by hand against the global order is warned of", () =>
    Effect.gen(function*() {
      const lines = Array<string>()
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      yield* withLock("b")(withLock("a")(Effect.void)).pipe(Effect.provide(logger))
      yield* withLock("a")(withLock("b")(Effect.void)).pipe(Effect.provide(logger))
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "\"a\" is taken while \"b\" is held")
    }))
})

describe("a lost lease", () => {
  it.live("interrupts the section after a block longer than the ttl, before its next step, and the caller is told", () =>
    Effect.gen(function*() {
      let wrote = false
      let released = false
      const error = yield* withLock("k", { ttl: 60 })(
        Effect.gen(function*() {
          yield* Effect.addFinalizer(() => Effect.sync(() => released = true))
          yield* Effect.sync(() => blockFor(100))
          yield* Effect.sync(() => wrote = true)
        }).pipe(Effect.scoped)
      ).pipe(Effect.flip)
      assert.strictEqual(error._tag, "LeaseLost")
      assert.deepStrictEqual({ wrote, released }, { wrote: false, released: true })
      assert.isTrue(yield* isFree("k"))
    }).pipe(Effect.provide(memory)))

  it.live("of an outer key interrupts the inner section as well", () =>
    Effect.gen(function*() {
      let wrote = false
      const error = yield* withLock("a", { ttl: 60 })(
        withLock("b")(Effect.andThen(Effect.sync(() => blockFor(100)), Effect.sync(() => wrote = true)))
      ).pipe(Effect.flip)
      assert.deepStrictEqual([error._tag, "resource" in error && error.resource, wrote], ["LeaseLost", "lock/a", false])
      assert.isTrue(yield* isFree("b"))
    }).pipe(Effect.provide(memory)))
})

/** Keeps the process from doing anything else, as a long computation does. */
const blockFor = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}

describe("bad input is refused with the field's name", () => {
  const table: ReadonlyArray<readonly [string, string, DistributedLock.LockOptions]> = [
    ["", "key", {}],
    ["x".repeat(1001), "key", {}],
    ["\ud800", "key", {}],
    ["k", "ttl", { ttl: NaN }],
    ["k", "ttl", { ttl: 0 }],
    ["k", "ttl", { ttl: "-1 seconds" }],
    ["k", "ttl", { ttl: Infinity }],
    ["k", "waitFor", { waitFor: NaN }],
    ["k", "waitFor", { waitFor: -1 }],
    ["k", "passes", { passes: 0 }],
    ["k", "passes", { passes: 1.5 }],
    ["k", "owner", { owner: "x".repeat(1025) }]
  ]
  for (const [key, field, options] of table) {
    scene(
      `${field} of ${JSON.stringify({ key: key.slice(0, 9), ...options }).slice(0, 60)}`,
      () =>
        Effect.gen(function*() {
          for (
            const error of [
              yield* Effect.flip(withLock(key, options)(Effect.void)),
              yield* Effect.flip(withLocks([key], options)(Effect.void)),
              yield* Effect.flip(withLock(key, { ...options, order: "cohort" })(Effect.void))
            ]
          ) {
            assert.deepStrictEqual([error._tag, "field" in error && error.field], ["InvalidClaim", field])
          }
        })
    )
  }

  scene(
    "and any other string of up to 1,000 characters is a key",
    () => Effect.forEach(["a/b", "🧵".repeat(500), "{}*?[]\\\n\0", " "], (key) => withLock(key)(Effect.void))
  )
})

describe("AC-47.1 metrics", () => {
  const count = (outcome: string, attributes: Record<string, string> = {}) =>
    Effect.map(
      Metric.snapshot,
      (all) =>
        all.flatMap((metric) =>
          metric.id === "heddle_lock_acquisitions_total" && metric.type === "Counter" &&
            metric.attributes?.["outcome"] === outcome &&
            Object.entries(attributes).every(([name, value]) => metric.attributes?.[name] === value)
            ? [Number(metric.state.count)]
            : []
        )
    )
  const histogram = (id: string) =>
    Effect.map(
      Metric.snapshot,
      (all) => all.flatMap((metric) => metric.id === id && metric.type === "Histogram" ? [metric.state.count] : [])
    )

  scene("each attempt is counted once, by how it ended; waits always, holds once a hold", () =>
    Effect.gen(function*() {
      yield* withLock("k", { name: "orders" })(Effect.void)
      yield* Effect.exit(withLock("k", { name: "orders" })(Effect.fail("by itself")))
      const holder = yield* holding("k", { name: "orders" })
      yield* tryLock("k", { name: "orders" })(Effect.void)
      yield* Effect.exit(withLock("k", { name: "orders", waitFor: 0 })(Effect.void))
      yield* holder.leave
      yield* Effect.exit(withLock("", { name: "orders" })(Effect.void))
      yield* Effect.exit(withLock("k", { name: "orders", ttl: NaN })(Effect.void))
      assert.deepStrictEqual(yield* count("success", { lock: "orders", backend: "memory" }), [3])
      assert.deepStrictEqual(yield* count("contended"), [1])
      assert.deepStrictEqual(yield* count("timeout"), [1])
      assert.deepStrictEqual(yield* count("error"), [1])
      assert.deepStrictEqual(yield* histogram("heddle_lock_wait_seconds"), [6])
      assert.deepStrictEqual(yield* histogram("heddle_lock_hold_seconds"), [3])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.live("a lock that was lost is counted as lost, and as nothing else; its wait and its hold are told", () =>
    Effect.gen(function*() {
      const section = Effect.sync(() => blockFor(100))
      const error = yield* Effect.flip(withLock("k", { name: "orders", ttl: 60 })(section))
      assert.strictEqual(error._tag, "LeaseLost")
      assert.deepStrictEqual(yield* count("lost", { lock: "orders", backend: "memory" }), [1])
      const others = ["success", "timeout", "contended", "error"]
      assert.deepStrictEqual((yield* Effect.forEach(others, (outcome) => count(outcome))).flat(), [])
      assert.deepStrictEqual(yield* histogram("heddle_lock_wait_seconds"), [1])
      assert.deepStrictEqual(yield* histogram("heddle_lock_hold_seconds"), [1])
    }).pipe(Effect.provide(memory), Effect.provideService(Metric.MetricRegistry, new Map())))

  scene(
    "a thousand keys make no more series than one, each with the lock's name and the backend and no key",
    () =>
      Effect.gen(function*() {
        const series = Effect.map(
          Metric.snapshot,
          (all) => all.flatMap(({ attributes, id }) => id.startsWith("heddle_lock_") ? [[id, attributes]] : [])
        )
        yield* withLock("k", { name: "orders" })(Effect.void)
        const one = yield* series
        const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`)
        yield* Effect.forEach(keys, (key) => withLock(key, { name: "orders" })(Effect.void))
        assert.deepStrictEqual(yield* series, one)
        const labels = { backend: "memory", lock: "orders" }
        assert.sameDeepMembers(one, [
          ["heddle_lock_acquisitions_total", { ...labels, outcome: "success" }],
          ["heddle_lock_wait_seconds", labels],
          ["heddle_lock_hold_seconds", labels]
        ])
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

describe("spans", () => {
  scene("one a lock when somebody traces, with backend, key and token", () =>
    Effect.gen(function*() {
      const spans = Array<Tracer.Span>()
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* withLock("k")(Effect.void).pipe(Effect.withTracer(tracer))
      assert.deepStrictEqual(spans.map((span) => span.name), ["DistributedLock.withLock"])
      const attributes = Object.fromEntries(spans[0]?.attributes ?? [])
      assert.deepStrictEqual(Object.keys(attributes).sort(), ["heddle.backend", "heddle.lock.key", "heddle.lock.token"])
      assert.deepStrictEqual([attributes["heddle.backend"], attributes["heddle.lock.key"]], ["memory", "k"])
    }))
})

describe("inspect", () => {
  scene(
    "AC-06.6 shows the holder and those who wait, and is not fooled by a key with a common prefix",
    () =>
      Effect.gen(function*() {
        const other = yield* holding("k/2", { owner: "other" })
        const free = yield* DistributedLock.inspect("k")
        assert.deepStrictEqual([Option.isNone(free.holder), free.waiters], [true, []])
        const holder = yield* holding("k", { owner: "me" })
        const waiter = yield* Effect.forkChild(withLock("k", { owner: "you" })(Effect.void), { startImmediately: true })
        yield* TestClock.adjust("3 seconds")
        const busy = yield* DistributedLock.inspect("k")
        assert.deepStrictEqual(Option.getOrThrow(busy.holder).owner, "me")
        assert.deepStrictEqual([Option.getOrThrow(busy.holder).age, busy.waiters.map(({ owner }) => owner)], [3000, [
          "you"
        ]])
        yield* holder.leave
        yield* Fiber.join(waiter)
        yield* other.leave
      })
  )
})
