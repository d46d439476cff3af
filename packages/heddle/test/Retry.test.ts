import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import { Deadline, Retry, RetryBudget } from "heddle/resilience"

/** A call that fails so often, and when it was made. */
const failing = (times: number) => {
  const at = new Array<number>()
  const call = Effect.clockWith((clock) =>
    Effect.suspend(() => at.push(clock.currentTimeMillisUnsafe()) > times ? Effect.succeed("ok") : Effect.fail("busy"))
  )
  return { at, call }
}

/** Runs it while time passes. */
const timed = <A, E>(program: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(program), { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const spaced = Schedule.spaced(100)

describe("a retry", () => {
  it.effect("makes a call again until it succeeds, and not more often than it may", () =>
    Effect.gen(function*() {
      const retry = yield* Retry.make({ name: "r", schedule: spaced })
      assert.strictEqual(retry.attempts, 4)
      const third = failing(2)
      assert.deepStrictEqual(yield* timed(retry.run(third.call)), Exit.succeed("ok"))
      assert.deepStrictEqual(third.at, [0, 100, 200])
      const never = failing(Infinity)
      assert.deepStrictEqual(yield* timed(retry.run(never.call)), Exit.fail("busy"))
      assert.strictEqual(never.at.length, 4)
      const none = yield* Retry.make({ name: "r", times: 0 })
      const once = failing(Infinity)
      yield* timed(none.run(once.call))
      assert.strictEqual(once.at.length, 1)
    }))

  it.effect("waits twice as long each time unless told otherwise, a fifth more or less", () =>
    Effect.gen(function*() {
      const retry = yield* Retry.make({ name: "r" })
      const { at, call } = failing(Infinity)
      yield* timed(retry.run(call))
      const waits = at.slice(1).map((now, index) => now - (at[index] ?? 0))
      waits.forEach((wait, index) => assert.closeTo(wait, 100 * 2 ** index, 20 * 2 ** index + 1))
    }))

  it.effect("waits no longer than it may, and no less than the server asked for", () =>
    Effect.gen(function*() {
      const capped = yield* Retry.make({ name: "r", schedule: Schedule.spaced("1 minute"), longest: 250 })
      const one = failing(2)
      yield* timed(capped.run(one.call))
      assert.deepStrictEqual(one.at, [0, 250, 500])
      const asked = yield* Retry.make({ name: "r", schedule: spaced, longest: "1 second", retryAfter: () => 700 })
      const two = failing(1)
      const start = 3_600_000
      yield* timed(asked.run(two.call))
      assert.deepStrictEqual(two.at, [start, start + 700])
      const tooLong = yield* Retry.make({ name: "r", schedule: spaced, longest: "1 second", retryAfter: () => 1001 })
      const three = failing(1)
      assert.deepStrictEqual(yield* timed(tooLong.run(three.call)), Exit.fail("busy"))
    }))

  it.effect("ends with its schedule", () =>
    Effect.gen(function*() {
      const retry = yield* Retry.make({ name: "r", schedule: Schedule.upTo(spaced, { times: 1 }) })
      const { at, call } = failing(Infinity)
      yield* timed(retry.run(call))
      assert.strictEqual(at.length, 2)
    }))

  it.effect("leaves alone what cannot be helped: other failures, defects, interruption", () =>
    Effect.gen(function*() {
      const retry = yield* Retry.make({ name: "r", schedule: spaced, while: (error) => error === "busy" })
      let calls = 0
      const counted = <A, E>(end: Effect.Effect<A, E>) => timed(retry.run(Effect.suspend(() => (calls++, end))))
      assert.deepStrictEqual(yield* counted(Effect.fail("bad")), Exit.fail("bad"))
      assert.isTrue(Exit.hasDies(yield* counted(Effect.die("bug"))))
      assert.isTrue(Exit.hasInterrupts(yield* counted(Effect.interrupt)))
      assert.strictEqual(calls, 3)
    }))

  it.effect("gives back the failure at once where the wait would pass the deadline", () =>
    Effect.gen(function*() {
      const retry = yield* Retry.make({ name: "r", schedule: spaced })
      const { at, call } = failing(Infinity)
      const exit = yield* timed(Deadline.within(250)(retry.run(call)))
      assert.deepStrictEqual(exit, Exit.fail("busy"))
      assert.deepStrictEqual(at, [0, 100, 200])
    }))

  it.effect("asks the budget for each retry, and for no first attempt", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ name: "b", share: 0.5, minimum: 1, during: "10 hours" })
      const retry = yield* Retry.make({ name: "r", schedule: spaced, times: 1, budget })
      const calls = new Array<number>()
      for (let index = 0; index < 10; index++) {
        const { at, call } = failing(Infinity)
        yield* timed(retry.run(call))
        calls.push(at.length)
      }
      // One is allowed at once, then one for every two calls.
      assert.deepStrictEqual(calls, [2, 1, 1, 2, 1, 2, 1, 2, 1, 2])
    }))

  it.effect("refuses options that mean nothing", () =>
    Effect.gen(function*() {
      const wrong = (options: Partial<Retry.Options>) =>
        Effect.map(Effect.flip(Retry.make({ name: "r", ...options })), ({ option }) => option)
      assert.strictEqual(yield* wrong({ name: "" }), "name")
      assert.strictEqual(yield* wrong({ times: -1 }), "times")
      assert.strictEqual(yield* wrong({ times: NaN }), "times")
      assert.strictEqual(yield* wrong({ longest: 0 }), "longest")
      assert.strictEqual(yield* wrong({ longest: Infinity }), "longest")
    }))

  it.effect("counts what it did", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ name: "r", minimum: 0 })
      const plain = yield* Retry.make({ name: "r", schedule: spaced })
      const frugal = yield* Retry.make({ name: "r", schedule: spaced, budget })
      yield* timed(plain.run(failing(Infinity).call))
      yield* timed(frugal.run(failing(Infinity).call))
      yield* timed(Deadline.within(50)(plain.run(failing(Infinity).call)))
      const counts = (yield* Metric.snapshot).flatMap(({ attributes, state }) =>
        "count" in state ? [[attributes?.["outcome"] ?? attributes?.["answer"], state.count]] : []
      )
      assert.deepStrictEqual(Object.fromEntries(counts), {
        retried: 3,
        exhausted: 1,
        denied: 1,
        late: 1,
        allowed: 0
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("a retry budget", () => {
  it.effect("allows a share of the calls, a few however few they are, and forgets", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ name: "b" })
      const allowed = Effect.map(
        Effect.replicateEffect(budget.tryExtra, 100),
        (all) => all.filter(Boolean).length
      )
      assert.strictEqual(yield* allowed, 3)
      yield* Effect.replicateEffect(budget.call, 100)
      assert.strictEqual(yield* allowed, 17)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* allowed, 3)
    }))

  it.effect("refuses options that mean nothing", () =>
    Effect.gen(function*() {
      const wrong = (options: Partial<RetryBudget.Options>) =>
        Effect.map(Effect.flip(RetryBudget.make({ name: "b", ...options })), ({ option }) => option)
      assert.strictEqual(yield* wrong({ share: 0 }), "share")
      assert.strictEqual(yield* wrong({ share: 1.5 }), "share")
      assert.strictEqual(yield* wrong({ minimum: -1 }), "minimum")
      assert.strictEqual(yield* wrong({ during: NaN }), "during")
    }))
})

describe("retries that share a budget", () => {
  const scene = Effect.gen(function*() {
    const budget = yield* RetryBudget.make({ name: "b", minimum: 2 })
    const retry = yield* Retry.make({ name: "r", schedule: spaced, budget })
    let running = 0
    let attempts = 0
    const call = Effect.acquireUseRelease(
      Effect.sync(() => void (running++, attempts++)),
      () => Effect.andThen(Effect.yieldNow, Effect.fail("busy")),
      () => Effect.sync(() => void running--)
    )
    return { run: Effect.exit(retry.run(call)), running: () => running, attempts: () => attempts }
  })

  it.live("never make more extra calls than it has, however they interleave", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const { attempts, run } = yield* scene
        yield* Effect.all([run, run, run, run], { concurrency: "unbounded" })
        if (attempts() !== 6) return yield* Effect.die(`${attempts()} attempts`)
      })
      yield* Explore.run(program, { runs: 1000 })
    }), 120_000)

  it.live("leave nothing running wherever they are interrupted", () =>
    InterruptSweep.run({
      setup: scene,
      program: ({ run }) => Effect.all([run, run], { concurrency: "unbounded" }),
      invariant: ({ running }) => running() === 0 ? Effect.void : Effect.die("a call still runs"),
      target: "all"
    }))
})
