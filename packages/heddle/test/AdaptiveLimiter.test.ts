import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import { TestClock } from "effect/testing"
import { AdaptiveLimiter, type InvalidOption } from "heddle/resilience"

/** A server that works on so many requests at once, each for so many milliseconds, in order of arrival. */
const makeServer = Effect.gen(function*() {
  const server = { at: 10, millis: 50, served: 0, semaphore: yield* Semaphore.make(10) }
  const request = Effect.suspend(() =>
    server.semaphore.withPermits(1)(Effect.suspend(() => Effect.sleep(server.millis)))
  )
  return Object.assign(server, { request: Effect.tap(request, () => Effect.sync(() => server.served++)) })
})

/** So many clients that call again and again, and wait a little when they are refused. */
const clients = (count: number, limiter: AdaptiveLimiter.AdaptiveLimiter, call: Effect.Effect<unknown, unknown>) =>
  Effect.forkChild(Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) =>
      Effect.andThen(
        Effect.sleep(index),
        Effect.forever(limiter.run(call).pipe(Effect.catch(() => Effect.sleep(150 + index))))
      ),
    { concurrency: "unbounded", discard: true }
  ))

/** The limit, each half second of so many. */
const limits = (limiter: AdaptiveLimiter.AdaptiveLimiter, seconds: number) =>
  Effect.forEach(
    Array.from({ length: seconds * 2 }),
    () => Effect.andThen(TestClock.adjust(500), Effect.map(limiter.occupancy, ({ limit }) => limit))
  )

const range = (numbers: ReadonlyArray<number>) => [Math.min(...numbers), Math.max(...numbers)] as const

for (
  const [title, rule] of [
    ["gradient", AdaptiveLimiter.gradient()],
    ["aimd", AdaptiveLimiter.aimd({ slow: 70 })]
  ] as const
) {
  describe(`an adaptive limiter by ${title}, in front of a server that works on ten at once`, () => {
    it.effect("settles a little above ten, does not swing, and keeps the server busy", () =>
      Effect.gen(function*() {
        const limiter = yield* AdaptiveLimiter.make({ name: "s", rule })
        const server = yield* makeServer
        yield* clients(30, limiter, server.request)
        yield* limits(limiter, 10)
        const before = server.served
        const settled = yield* limits(limiter, 20)
        const [low, high] = range(settled)
        assert.isAtLeast(low, 10)
        assert.isAtMost(high, 18)
        assert.isAtMost(high - low, 5)
        assert.isAtLeast((server.served - before) / 20, 190)
      }))

    it.effect("follows the server: to half of its capacity, and back", () =>
      Effect.gen(function*() {
        const limiter = yield* AdaptiveLimiter.make({ name: "s", rule })
        const server = yield* makeServer
        yield* clients(30, limiter, server.request)
        yield* limits(limiter, 10)
        yield* server.semaphore.resize(5)
        yield* limits(limiter, 10)
        const half = range(yield* limits(limiter, 10))
        yield* server.semaphore.resize(10)
        yield* limits(limiter, 10)
        const full = range(yield* limits(limiter, 10))
        assert.isAtLeast(half[0], 4)
        assert.isAtMost(half[1], 10)
        assert.isAtLeast(full[0], 10)
        assert.isAtMost(full[1], 18)
      }))
  })
}

describe("an adaptive limiter by gradient", () => {
  it.effect("finds out that the server takes longer now, and is not throttled for it", () =>
    Effect.gen(function*() {
      const limiter = yield* AdaptiveLimiter.make({ name: "s" })
      const server = yield* makeServer
      yield* clients(30, limiter, server.request)
      yield* limits(limiter, 10)
      server.millis = 150
      yield* limits(limiter, 20)
      const [low, high] = range(yield* limits(limiter, 20))
      assert.isAtLeast(low, 9)
      assert.isAtMost(high, 18)
    }))

  it.effect("does not grow while it is not used, and does not drift", () =>
    Effect.gen(function*() {
      const limiter = yield* AdaptiveLimiter.make({ name: "s" })
      const server = yield* makeServer
      yield* clients(4, limiter, server.request)
      assert.deepStrictEqual(range(yield* limits(limiter, 5)), [20, 20])
      yield* clients(20, limiter, server.request)
      yield* limits(limiter, 15)
      const early = range(yield* limits(limiter, 10))
      yield* limits(limiter, 20)
      const late = range(yield* limits(limiter, 10))
      assert.isAtMost(Math.abs(late[1] - early[1]), 2)
    }))
})

describe("what a call shows", () => {
  /** The limit after a hundred calls one after another in lots of ten that end so, 20 ms each. */
  const after = (end: Effect.Effect<unknown, unknown>, options?: Partial<AdaptiveLimiter.Options>) =>
    Effect.gen(function*() {
      const limiter = yield* AdaptiveLimiter.make({ name: "s", start: 10, samples: 10, window: 1, ...options })
      const lot = Effect.replicateEffect(Effect.exit(limiter.run(Effect.andThen(Effect.sleep(20), end))), 10, {
        concurrency: "unbounded"
      })
      const fiber = yield* Effect.forkChild(Effect.replicateEffect(lot, 10))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      return (yield* limiter.occupancy).limit
    })

  it.effect("raises the limit when it is fast", () =>
    Effect.gen(function*() {
      assert.isAbove(yield* after(Effect.void), 14)
      assert.strictEqual(yield* after(Effect.void, { most: 12 }), 12)
      assert.strictEqual(yield* after(Effect.void, { rule: AdaptiveLimiter.aimd({ slow: 30 }) }), 20)
    }))

  it.effect("lowers it when it is dropped: a time that was over, a refusal further on", () =>
    Effect.gen(function*() {
      for (const _tag of ["TimeoutError", "DeadlineExceeded", "BulkheadFull", "LimitReached"]) {
        assert.isBelow(yield* after(Effect.fail({ _tag })), 6)
      }
      assert.strictEqual(yield* after(Effect.fail({ _tag: "TimeoutError" }), { least: 9 }), 9)
      assert.isBelow(yield* after(Effect.void, { rule: AdaptiveLimiter.aimd({ slow: 10 }) }), 6)
    }))

  it.effect("changes nothing when it says nothing: other failures, defects, interruption", () =>
    Effect.gen(function*() {
      const ends = [Effect.fail("not found"), Effect.die("bug"), Effect.interrupt, Effect.fail({ _tag: "NotFound" })]
      for (const end of ends) assert.strictEqual(yield* after(end), 10)
      assert.isBelow(yield* after(Effect.fail("not found"), { classify: () => "dropped" }), 6)
    }))

  it.effect("does not count if it began under another limit", () =>
    Effect.gen(function*() {
      const rule = AdaptiveLimiter.aimd({ slow: 50, backoff: 0.5 })
      const limiter = yield* AdaptiveLimiter.make({ name: "s", rule, start: 40, samples: 10, window: 1 })
      const call = (millis: number) => limiter.run(Effect.sleep(millis))
      yield* Effect.forkChild(Effect.replicateEffect(call(100), 10, { concurrency: "unbounded" }))
      yield* Effect.forkChild(Effect.replicateEffect(call(150), 20, { concurrency: "unbounded" }))
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* limiter.occupancy).limit, 20)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(yield* limiter.occupancy, { running: 0, limit: 20 })
    }))
})

describe("partitions", () => {
  const make = AdaptiveLimiter.make({ name: "s", start: 10, partitions: { live: 0.7, batch: 0.2 } })

  it.effect("lend what they do not use, and get back what is theirs", () =>
    Effect.gen(function*() {
      const limiter = yield* make
      const gate = yield* Deferred.make<void>()
      const start = (run: typeof limiter.run, count: number) =>
        Effect.gen(function*() {
          const fibers = yield* Effect.replicateEffect(
            Effect.forkChild(Effect.exit(run(Deferred.await(gate))), { startImmediately: true }),
            count
          )
          return fibers.filter((fiber) => fiber.pollUnsafe() === undefined).length
        })
      assert.strictEqual(yield* start(limiter.partition("batch"), 15), 10)
      assert.strictEqual(yield* start(limiter.partition("live"), 15), 7)
      assert.strictEqual(yield* start(limiter.run, 1), 0)
      assert.deepStrictEqual(yield* limiter.occupancy, { running: 17, limit: 10 })
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.yieldNow
      assert.deepStrictEqual(yield* limiter.occupancy, { running: 0, limit: 10 })
      const gateless = yield* start(limiter.partition("live"), 1)
      assert.strictEqual(gateless, 0)
    }))

  it.effect("one that pushes does not starve another", () =>
    Effect.gen(function*() {
      const limiter = yield* make
      const server = yield* makeServer
      const served = { live: 0, batch: 0 }
      const push = (name: "live" | "batch", count: number) =>
        Effect.forkChild(Effect.replicateEffect(
          Effect.forever(
            limiter.partition(name)(server.request).pipe(
              Effect.andThen(Effect.sync(() => served[name]++)),
              Effect.catch(() => Effect.sleep(20))
            )
          ),
          count,
          { concurrency: "unbounded", discard: true }
        ))
      yield* push("batch", 30)
      yield* TestClock.adjust("1 second")
      yield* push("live", 5)
      served.batch = 0
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(served.live, 400)
      assert.isAtLeast(served.batch, 400)
    }))
})

describe("a refusal", () => {
  it.effect("is typed, names the limit, and costs no stack trace", () =>
    Effect.gen(function*() {
      const limiter = yield* AdaptiveLimiter.make({ name: "search", start: 1 })
      const refusal = yield* Effect.flip(limiter.run(limiter.run(Effect.void)))
      assert.deepStrictEqual([refusal._tag, refusal.name, refusal.limit], ["LimitReached", "search", 1])
      assert.notInclude(refusal.stack ?? "", "\n    at ")
      assert.include(refusal.message, "try again later")
    }))

  it.effect("comes for options that mean nothing", () =>
    Effect.gen(function*() {
      const name = "s"
      const made: ReadonlyArray<Effect.Effect<unknown, InvalidOption>> = [
        AdaptiveLimiter.make({ name: "" }),
        AdaptiveLimiter.make({ name, least: 0 }),
        AdaptiveLimiter.make({ name, least: 5, most: 4 }),
        AdaptiveLimiter.make({ name, start: 201 }),
        AdaptiveLimiter.make({ name, samples: 0 }),
        AdaptiveLimiter.make({ name, window: Infinity }),
        AdaptiveLimiter.make({ name, rule: AdaptiveLimiter.gradient({ tolerance: 0.9 }) }),
        AdaptiveLimiter.make({ name, rule: AdaptiveLimiter.aimd({ slow: NaN }) }),
        AdaptiveLimiter.make({ name, rule: AdaptiveLimiter.aimd({ slow: 1, backoff: 1 }) }),
        AdaptiveLimiter.make({ name, partitions: { a: 0 } }),
        AdaptiveLimiter.make({ name, partitions: { a: 0.6, b: 0.5 } })
      ]
      const options = yield* Effect.forEach(made, (one) => Effect.map(Effect.flip(one), ({ option }) => option))
      assert.deepStrictEqual(options, [
        "name",
        "least",
        "most",
        "start",
        "samples",
        "window",
        "rule.tolerance",
        "rule.slow",
        "rule.backoff",
        "partitions.a",
        "partitions"
      ])
    }))
})
