import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import { Hedge } from "heddle/flow"

const after = <A>(value: A, millis: number) => Effect.delay(Effect.succeed(value), millis)
const failAfter = (error: string, millis: number) => Effect.delay(Effect.fail(error), millis)

/** Runs to its end in virtual time, and tells when that was. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>, step = 1) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    let at = 0
    for (; fiber.pollUnsafe() === undefined && at < 10_000; at += step) yield* TestClock.adjust(step)
    return { exit: yield* Fiber.await(fiber), at }
  })

const failure = <A, E>(exit: Exit.Exit<A, E>): E | undefined => {
  const [reason] = Exit.isFailure(exit) ? exit.cause.reasons : []
  return reason?._tag === "Fail" ? reason.error : undefined
}

/** Errors and defects, without the spans in which they happened. */
const squashed = (causes: ReadonlyArray<Cause.Cause<unknown>>) => causes.map(Cause.squash)

/** What is logged. */
const logs = () => {
  const lines: Array<string> = []
  const logger = Logger.make(({ cause, message }) => void lines.push(`${String(message)} ${Cause.pretty(cause)}`))
  return { lines, layer: Logger.layer([logger]) }
}

describe("Hedge.firstSuccess", () => {
  it.effect("AC-03.1 one that succeeds is enough, however soon another fails", () =>
    Effect.gen(function*() {
      const { at, exit } = yield* timed(Hedge.firstSuccess([failAfter("a", 5), after("b", 50), after("c", 500)]))
      assert.deepStrictEqual([exit, at], [Exit.succeed("b"), 50])
    }))

  it.effect("AC-03.1 all that fail are told, in the order of the effects and not of their ends", () =>
    Effect.gen(function*() {
      const { exit } = yield* timed(Hedge.firstSuccess([failAfter("a", 30), Effect.die("b"), failAfter("c", 10)]))
      const error = failure(exit)
      assert.instanceOf(error, Hedge.AllFailed)
      if (!(error instanceof Hedge.AllFailed)) return
      assert.deepStrictEqual(squashed(error.causes), ["a", "b", "c"])
      assert.include(error.message, "All 3 attempts failed: ")
    }))

  it.effect("AC-03.2 the time holds whatever the attempts do, and tells what had failed", () =>
    Effect.gen(function*() {
      const deaf = Effect.uninterruptible(Effect.sleep(3000))
      const { at, exit } = yield* timed(Hedge.firstSuccess([deaf, failAfter("b", 10)], { within: 100 }))
      const error = failure(exit)
      assert.instanceOf(error, Hedge.NoneInTime)
      assert.deepStrictEqual([error instanceof Hedge.NoneInTime && squashed(error.causes), at], [["b"], 100])
      yield* TestClock.adjust(3000)
    }))

  it.effect("AC-03.2 the winner does not wait for a loser's cleanup, which runs to its end all the same", () =>
    Effect.gen(function*() {
      let cleaned = false
      const clean = Effect.andThen(Effect.sleep(300), Effect.sync(() => void (cleaned = true)))
      const { at, exit } = yield* timed(Hedge.firstSuccess([
        Effect.onInterrupt(Effect.never, () => clean),
        after("b", 10)
      ]))
      assert.deepStrictEqual([exit, at, cleaned], [Exit.succeed("b"), 10, false])
      yield* TestClock.adjust(300)
      assert.isTrue(cleaned)
    }))

  it.effect("AC-03.3 nothing to try is a typed error, at once", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* Effect.flip(Hedge.firstSuccess<never, never, never>([])))._tag, "NothingToTry")
    }))

  it.effect("AC-03.4 of three replicas that fail once in ten, fewer than three calls in a thousand fail", () =>
    Effect.gen(function*() {
      const replica = Effect.flatMap(Random.nextIntBetween(0, 10), (n) => n === 0 ? Effect.fail("away") : Effect.void)
      let failed = 0
      for (let call = 0; call < 10_000; call++) {
        const exit = yield* Effect.exit(Hedge.firstSuccess([replica, replica, replica]))
        if (Exit.isFailure(exit)) failed++
      }
      assert.isBelow(failed, 30)
    }).pipe(Random.withSeed("replicas")))

  it.effect("AC-03.5 attempts start one delay apart, and at once when one has failed", () =>
    Effect.gen(function*() {
      const started: Array<number> = []
      const noted = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.andThen(
          Effect.clockWith((clock) => Effect.sync(() => started.push(clock.currentTimeMillisUnsafe()))),
          effect
        )
      const { at, exit } = yield* timed(Hedge.firstSuccess(
        [Effect.never, failAfter("b", 20), after("c", 150), after("d", 100)].map((one) => noted<string, string>(one)),
        { delay: 100 }
      ))
      assert.deepStrictEqual([started, exit, at], [[0, 100, 120, 220], Exit.succeed("c"), 270])
    }))

  it.effect("an infinite delay is a fallback: the next one starts when one has failed, and never else", () =>
    Effect.gen(function*() {
      const { at, exit } = yield* timed(Hedge.firstSuccess([failAfter("a", 200), after("b", 50)], { delay: Infinity }))
      assert.deepStrictEqual([exit, at], [Exit.succeed("b"), 250])
    }))

  it.effect("one that succeeds at once starts no other", () =>
    Effect.gen(function*() {
      let others = 0
      const other = Effect.sync(() => ++others)
      assert.strictEqual(yield* Hedge.firstSuccess([Effect.succeed(0), other, other]), 0)
      assert.strictEqual(others, 0)
    }))

  it.effect("an attempt that interrupts itself has failed", () =>
    Effect.gen(function*() {
      const { exit } = yield* timed(Hedge.firstSuccess([Effect.interrupt, failAfter("b", 1)]))
      const error = failure(exit)
      assert.isTrue(
        error instanceof Hedge.AllFailed && error.causes.length === 2 &&
          error.causes.slice(0, 1).every(Cause.hasInterruptsOnly)
      )
    }))

  it.effect("who is interrupted waits for the finalizers of all attempts", () =>
    Effect.gen(function*() {
      let cleaned = 0
      const gate = Deferred.makeUnsafe<void>()
      const clean = Effect.andThen(Deferred.await(gate), Effect.sync(() => void cleaned++))
      const slow = Effect.onInterrupt(Effect.never, () => clean)
      const fiber = yield* Effect.forkChild(Hedge.firstSuccess([slow, slow]), { startImmediately: true })
      const stop = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust(1)
      assert.isUndefined(stop.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(stop)
      assert.strictEqual(cleaned, 2)
    }))

  it.effect("a defect that nobody is told of is logged, before and after the success; a failure is not", () =>
    Effect.gen(function*() {
      const { layer, lines } = logs()
      const dies = Effect.onInterrupt(Effect.never, () => Effect.die("late defect"))
      const attempts = [Effect.delay(Effect.die("early defect"), 1), dies, failAfter("failure", 1), after("d", 10)]
      const { exit } = yield* timed(Effect.provide(Hedge.firstSuccess(attempts), layer))
      assert.deepStrictEqual(exit, Exit.succeed("d"))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([lines.length, lines.filter((line) => line.includes("defect")).length], [2, 2])
    }))

  it.effect("no level, no log; and defects that are told as causes are not logged", () =>
    Effect.gen(function*() {
      const { layer, lines } = logs()
      yield* Effect.exit(Hedge.firstSuccess([Effect.die("told"), Effect.fail("too")])).pipe(Effect.provide(layer))
      yield* timed(
        Hedge.firstSuccess([Effect.die("silent"), Effect.succeed(1)]).pipe(
          Effect.provideService(References.UnhandledLogLevel, undefined),
          Effect.provide(layer)
        )
      )
      assert.deepStrictEqual(lines, [])
    }))
})

describe("Hedge and the caller's scope", () => {
  const resource = (name: string, log: Array<string>, opens: number, closes = 0) =>
    Effect.acquireRelease(
      after(name, opens),
      () => Effect.andThen(Effect.sleep(closes), Effect.sync(() => log.push(name)))
    )

  it.effect("the winner's resource is the caller's, a loser's is released when it has lost", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      const loser = Effect.andThen(resource("loser", log, 1), Effect.never)
      const call = Scope.provide(Hedge.firstSuccess([loser, resource("winner", log, 10)]), scope)
      assert.deepStrictEqual((yield* timed(call)).exit, Exit.succeed("winner"))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(log, ["loser"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["loser", "winner"])
    }))

  it.effect("one that succeeds too late is released too", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      const late = Effect.uninterruptible(resource("late", log, 20))
      const call = Scope.provide(Hedge.firstSuccess([late, resource("winner", log, 10)]), scope)
      assert.deepStrictEqual((yield* timed(call)).exit, Exit.succeed("winner"))
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(log, ["late"])
    }))

  it.effect("one that succeeds after the time of the call is released too", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      const late = Effect.uninterruptible(resource("late", log, 20))
      yield* timed(Scope.provide(Hedge.firstSuccess([late], { within: 10 }), scope))
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(log, ["late"])
    }))

  it.effect("the scope does not end before a loser has", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      const loser = Effect.andThen(resource("loser", log, 0, 500), Effect.never)
      yield* timed(Scope.provide(Hedge.firstSuccess([loser, resource("winner", log, 10)]), scope))
      const close = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust(498)
      assert.isUndefined(close.pollUnsafe())
      yield* TestClock.adjust(10)
      yield* Fiber.join(close)
      assert.sameMembers(log, ["loser", "winner"])
    }))

  it.effect("what had succeeded of a quorum that failed is released", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      const effects = [resource("first", log, 1), failAfter("b", 5), failAfter("c", 5)]
      yield* timed(Scope.provide(Hedge.quorum(2)(effects), scope))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(log, ["first"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["first"])
    }))
})

describe("Hedge.hedged", () => {
  /** Ends each attempt when it is told to. */
  const gated = () => {
    const gates: Array<Deferred.Deferred<number, string>> = []
    const effect = Effect.suspend(() => {
      const gate = Deferred.makeUnsafe<number, string>()
      gates.push(gate)
      return Deferred.await(gate)
    })
    return { gates, effect }
  }

  it.effect("an extra attempt starts after the delay, no more than `max` of them, and not before", () =>
    Effect.gen(function*() {
      const { effect, gates } = gated()
      const call = Hedge.hedged(effect, { idempotent: true, delay: 100, max: 2 })
      const fiber = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust(99)
      assert.strictEqual(gates.length, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(gates.length, 2)
      yield* TestClock.adjust(1000)
      assert.strictEqual(gates.length, 3)
      yield* Effect.forEach(gates.slice(1, 2), Deferred.succeed(7))
      assert.strictEqual(yield* Fiber.join(fiber), 7)
    }))

  it.effect("all attempts that failed are told, and a failure does not wait for the delay", () =>
    Effect.gen(function*() {
      let calls = 0
      const effect = Effect.suspend(() => failAfter(`attempt ${++calls}`, 10))
      const { at, exit } = yield* timed(Hedge.hedged(effect, { idempotent: true, delay: 1000, max: 2 }))
      const error = failure(exit)
      assert.isTrue(error instanceof Hedge.AllFailed)
      if (!(error instanceof Hedge.AllFailed)) return
      assert.deepStrictEqual(squashed(error.causes), ["attempt 1", "attempt 2", "attempt 3"])
      assert.strictEqual(at, 30)
    }))

  it.effect("a budget that is used up allows no extra attempt, and is told of each call", () =>
    Effect.gen(function*() {
      let calls = 0
      let asked = 0
      const budget = { call: Effect.sync(() => void calls++), tryExtra: Effect.sync(() => ++asked <= 1) }
      let attempts = 0
      const effect = Effect.suspend(() => after(++attempts, 50))
      for (let n = 0; n < 3; n++) {
        const { exit } = yield* timed(Hedge.hedged(effect, { idempotent: true, delay: 10, max: 5, budget }))
        assert.isTrue(Exit.isSuccess(exit))
      }
      // The first asks at 10 ms and is allowed, at 20 ms and is denied; the others are denied at 10 ms.
      assert.deepStrictEqual({ calls, asked, attempts }, { calls: 3, asked: 4, attempts: 4 })
    }))

  it.effect("where the budget denies, the failure of what runs is the failure of the call", () =>
    Effect.gen(function*() {
      const budget = { tryExtra: Effect.succeed(false) }
      const { at, exit } = yield* timed(Hedge.hedged(failAfter("a", 10), { idempotent: true, delay: 5, budget }))
      const error = failure(exit)
      assert.deepStrictEqual([error instanceof Hedge.AllFailed && squashed(error.causes), at], [["a"], 10])
    }))

  it.effect("`within` ends it, with all its attempts", () =>
    Effect.gen(function*() {
      let ended = 0
      const effect = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void ended++))
      const { at, exit } = yield* timed(Hedge.hedged(effect, { idempotent: true, delay: 10, max: 3, within: 25 }))
      assert.isTrue(failure(exit) instanceof Hedge.NoneInTime)
      assert.deepStrictEqual([at, ended], [25, 3])
    }))

  it.effect(
    "a measured delay makes no extra attempt until it knows enough, and then one for about one call in twenty",
    () =>
      Effect.gen(function*() {
        const latency = yield* Hedge.latency({ percentile: 0.95 })
        let attempts = 0
        const effect = Effect.flatMap(Random.nextIntBetween(1, 21), (n) => {
          attempts++
          return after(n, n * 50)
        })
        const call = Hedge.hedged(effect, { idempotent: true, delay: latency })
        for (let n = 0; n < 19; n++) yield* timed(call, 50)
        assert.strictEqual(attempts, 19)
        for (let n = 0; n < 500; n++) yield* timed(call, 50)
        assert.isAtLeast(attempts - 519, 5)
        assert.isAtMost(attempts - 519, 40)
        const delay = Duration.toMillis(yield* latency.delay)
        assert.isAtLeast(delay, 900)
        assert.isAtMost(delay, 1050)
      }).pipe(Random.withSeed("measured"))
  )

  it.effect("a percentile follows what changes, knows a floor, and no failure counts", () =>
    Effect.gen(function*() {
      const latency = yield* Hedge.latency({ percentile: 0.5, samples: 2, initial: 70, floor: 5 })
      const delay = Effect.map(latency.delay, Duration.toMillis)
      yield* timed(Effect.exit(Hedge.hedged(failAfter("soon", 1), { idempotent: true, delay: latency, max: 1 })))
      yield* latency.took(0)
      assert.strictEqual(yield* delay, 70)
      yield* latency.took(0)
      assert.strictEqual(yield* delay, 5)
      for (let n = 0; n < 1024; n++) yield* latency.took(200)
      assert.isTrue((yield* delay) >= 200 && (yield* delay) <= 210)
      for (let n = 0; n < 513; n++) yield* latency.took(20)
      assert.isTrue((yield* delay) >= 20 && (yield* delay) <= 21)
      yield* latency.took(NaN)
      for (let n = 0; n < 1024; n++) yield* latency.took(1e12)
      assert.isTrue((yield* delay) > 1e7)
    }))

  it.effect("its numbers can be scraped, and its spans tell the attempts apart", () =>
    Effect.gen(function*() {
      const spans: Array<readonly [string, unknown]> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push([options.name, span])
          return span
        }
      })
      const options = {
        idempotent: true,
        delay: 10,
        name: "prices",
        budget: { tryExtra: Effect.succeed(true) }
      } as const
      yield* timed(Effect.withTracer(Hedge.hedged(after(1, 15), options), tracer))
      yield* timed(
        Hedge.hedged(failAfter("a", 1), { ...options, budget: { tryExtra: Effect.succeed(false) } }).pipe(Effect.exit)
      )
      yield* timed(Effect.exit(Hedge.hedged(after(1, 15), { ...options, within: 12 })))
      const counts = new Map<string, unknown>()
      for (const { attributes, id, state } of yield* Metric.snapshot) {
        if (!id.startsWith("heddle_hedge_") || attributes?.["name"] !== "prices") continue
        const { count, value } = { count: undefined, value: undefined, ...state }
        counts.set(id.slice("heddle_hedge_".length), count ?? value)
      }
      assert.deepStrictEqual(Object.fromEntries(counts), {
        active: 0,
        completed_total: 1,
        failed_total: 1,
        interrupted_total: 0,
        late_total: 1,
        extra_total: 2,
        refused_total: 1,
        latency_seconds: 1
      })
      assert.deepStrictEqual(spans.map(([name]) => name), ["Hedge.hedged", "Hedge.attempt", "Hedge.attempt"])
    }))
})

describe("Hedge.quorum", () => {
  it.effect("as many successes as it needs, in the order in which they came", () =>
    Effect.gen(function*() {
      const { at, exit } = yield* timed(
        Hedge.quorum(2)([after("a", 30), failAfter("b", 1), after("c", 10), Effect.never])
      )
      assert.deepStrictEqual([exit, at], [Exit.succeed(["c", "a"]), 30])
    }))

  it.effect("fails at once when too few are left", () =>
    Effect.gen(function*() {
      const { at, exit } = yield* timed(Hedge.quorum(2)([failAfter("a", 20), Effect.never, failAfter("c", 10)]))
      const error = failure(exit)
      assert.isTrue(error instanceof Hedge.NoQuorum)
      if (!(error instanceof Hedge.NoQuorum)) return
      assert.deepStrictEqual([at, error.need, error.of], [20, 2, 3])
      assert.deepStrictEqual(squashed(error.causes), ["a", "c"])
    }))

  it.effect("more than there are is impossible at once, and nothing starts", () =>
    Effect.gen(function*() {
      let started = 0
      const error = yield* Effect.flip(Hedge.quorum(2)([Effect.sync(() => ++started)]))
      assert.deepStrictEqual([error._tag, started], ["NoQuorum", 0])
    }))
})

describe("Hedge options", () => {
  const nothing = Effect.die("started")
  const cases: ReadonlyArray<readonly [string, string, Effect.Effect<unknown, { readonly _tag: string }>]> = [
    ["delay", "-1", Hedge.firstSuccess([nothing], { delay: -1 })],
    ["delay", "NaN", Hedge.hedged(nothing, { idempotent: true, delay: NaN })],
    ["max", "0", Hedge.hedged(nothing, { idempotent: true, delay: 1, max: 0 })],
    ["max", "Infinity", Hedge.hedged(nothing, { idempotent: true, delay: 1, max: Infinity })],
    ["within", "0", Hedge.hedged(nothing, { idempotent: true, delay: 1, within: 0 })],
    ["within", "NaN", Hedge.quorum(1, { within: NaN })([nothing])],
    ["need", "0", Hedge.quorum(0)([nothing])],
    ["need", "1.5", Hedge.quorum(1.5)([nothing])],
    ["percentile", "1", Hedge.latency({ percentile: 1 })],
    ["percentile", "NaN", Hedge.latency({ percentile: NaN })],
    ["samples", "0", Hedge.latency({ percentile: 0.9, samples: 0 })],
    ["initial", "-1", Hedge.latency({ percentile: 0.9, initial: -1 })],
    ["floor", "0", Hedge.latency({ percentile: 0.9, floor: 0 })]
  ]
  for (const [option, value, effect] of cases) {
    it.effect(`${option} ${value} is refused before anything starts`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(effect)
        assert.deepStrictEqual({ ...error, message: "" }, { _tag: "InvalidOption", option, message: "" })
      }))
  }
})
