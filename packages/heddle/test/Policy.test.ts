import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { TestClock } from "effect/testing"
import {
  Bulkhead,
  CircuitBreaker,
  type InvalidOption,
  Policy,
  RateLimiter,
  RateLimiterStore,
  Retry
} from "heddle/resilience"

/** Runs it while time passes, and says how long it took. */
const timed = <A, E>(program: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    const took = Effect.clockWith((clock) => Effect.map(clock.currentTimeMillis, (now) => now - started))
    const fiber = yield* Effect.forkChild(Effect.all([Effect.exit(program), took]), { startImmediately: true })
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

const tagOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  if (Exit.isSuccess(exit)) return exit.value
  const reason = exit.cause.reasons[0]
  if (reason?._tag !== "Fail") return reason?._tag
  const { error } = reason
  return typeof error === "object" && error !== null && "_tag" in error ? error._tag : error
}

const spaced = (times: number, longest = 100) =>
  Effect.map(Retry.make({ name: "r", times, schedule: Schedule.spaced(longest), longest }), Policy.retry)

const keeps = (value: unknown): value is number => typeof value === "number"

/** A layer that only says that it was entered and left. */
const noting = (notes: Array<string>, name: string) =>
  Policy.layer(
    { kind: "other", name, worst: (inner) => inner },
    (call) =>
      Effect.suspend(() => {
        notes.push(`${name} in`)
        return Effect.onExit(call, () => Effect.sync(() => notes.push(`${name} out`)))
      })
  )

describe("a policy", () => {
  it.effect("runs a call inside of its layers, outermost first", () =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const policy = Policy.compose(noting(notes, "a"), noting(notes, "b"), noting(notes, "c"))
      yield* policy.run(Effect.sync(() => notes.push("call")))
      assert.deepStrictEqual(notes, ["a in", "b in", "c in", "call", "c out", "b out", "a out"])
    }))

  it.effect("means by a timeout what its place says: of all attempts, or of each", () =>
    Effect.gen(function*() {
      const retry = yield* spaced(2)
      const timeout = yield* Policy.timeout(250)
      let attempts = 0
      const slow = Effect.suspend(() => {
        attempts++
        return Effect.never
      })
      const [ofEach, each] = yield* timed(Policy.compose(retry, timeout).run(slow))
      assert.deepStrictEqual([tagOf(ofEach), each, attempts], ["DeadlineExceeded", 950, 3])
      const [ofAll, all] = yield* timed(Policy.compose(timeout, retry).run(Effect.fail("busy").pipe(Effect.delay(90))))
      assert.deepStrictEqual([tagOf(ofAll), all], ["DeadlineExceeded", 250])
    }))

  it.effect("refuses what its layers refuse, each with its own error", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", trip: CircuitBreaker.consecutive(1) })
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1 })
      const policy = Policy.compose(Policy.bulkhead(bulkhead), Policy.breaker(breaker))
      assert.strictEqual(tagOf(yield* Effect.exit(policy.run(policy.run(Effect.void)))), "BulkheadFull")
      assert.strictEqual(tagOf(yield* Effect.exit(policy.run(Effect.void))), "CircuitOpen")
      assert.deepStrictEqual(yield* bulkhead.occupancy, { running: 0, waiting: 0, places: 1 })
    }))

  it.effect("answers a failure with its fallback, and neither a defect nor another failure", () =>
    Effect.gen(function*() {
      const all = Policy.fallback("all", (error) => Effect.succeed([error]))
      const some = Policy.fallbackFor("some", ["Mine", "Yours"], ({ _tag }) => Effect.succeed(_tag))
      const calls: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        all.run(Effect.fail("bad")),
        all.run(Effect.die("bug")),
        some.run(Effect.fail({ _tag: "Yours" as const })),
        some.run(Effect.fail({ _tag: "Other" as const })),
        some.run(Effect.fail(null)),
        some.run(Effect.succeed("fine"))
      ]
      const ends = yield* Effect.forEach(calls, (call) => Effect.map(Effect.exit(call), tagOf))
      assert.deepStrictEqual(ends, [["bad"], "Die", "Yours", "Other", null, "fine"])
    }))

  it.effect("waits for a turn of a rate limiter as long as it says, or refuses", () =>
    Effect.gen(function*() {
      const limiter = yield* RateLimiter.make({ name: "api", limit: 1, per: "1 second" })
      const patient = Policy.rateLimiter(limiter, { key: "a", waitFor: 1500 })
      const [, took] = yield* timed(Effect.all([patient.run(Effect.void), patient.run(Effect.void)]))
      assert.strictEqual(took, 1000)
      const brief = Policy.rateLimiter(limiter, { key: "b", waitFor: 0 })
      const answers = [
        yield* Effect.exit(brief.run(Effect.succeed(1))),
        yield* Effect.exit(brief.run(Effect.succeed(2)))
      ]
      assert.deepStrictEqual(answers.map(tagOf), [1, "RateLimited"])
      const wrong = Policy.rateLimiter(limiter, { cost: 2 })
      assert.strictEqual(tagOf(yield* Effect.exit(wrong.run(Effect.void))), "InvalidOption")
      assert.deepStrictEqual(Policy.worst(patient, 10), { attempts: 1, millis: 1510 })
      assert.deepStrictEqual(Policy.worst(Policy.rateLimiter(limiter), 10), { attempts: 1, millis: 30_010 })
      const told = [Policy.describe(patient).text.split("\n")[0], Policy.describe(brief).text.split("\n")[0]]
      assert.deepStrictEqual(told, ["rate limiter api, waits 1500 ms", "rate limiter api, nobody waits"])
    }).pipe(Effect.provide(RateLimiterStore.layerMemory)))

  it.effect("refuses options that mean nothing", () =>
    Effect.gen(function*() {
      const refused: ReadonlyArray<Effect.Effect<unknown, InvalidOption>> = [
        Policy.timeout(0),
        Policy.timeout(Infinity),
        Policy.timeout(1, ""),
        Policy.cache({ name: "", timeToLive: 1, keeps }),
        Policy.cache({ name: "c", timeToLive: NaN, keeps }),
        Policy.cache({ name: "c", timeToLive: 0, keeps }),
        Policy.cache({ name: "c", timeToLive: 1, keeps, most: 0 }),
        Policy.faults({ name: "" }),
        Policy.faults({ name: "f", failure: { rate: 0, error: "e" } }),
        Policy.faults({ name: "f", outcome: { rate: 1.1, value: 1 } }),
        Policy.faults({ name: "f", latency: { rate: NaN, time: 1 } }),
        Policy.faults({ name: "f", latency: { rate: 1, time: NaN } })
      ]
      const options = yield* Effect.forEach(refused, (made) => Effect.map(Effect.flip(made), ({ option }) => option))
      const ofCaches = ["name", "timeToLive", "timeToLive", "most"]
      const ofFaults = ["name", "failure.rate", "outcome.rate", "latency.rate", "latency.time"]
      const expected = ["time", "time", "name", ...ofCaches, ...ofFaults]
      assert.deepStrictEqual(options, expected)
    }))
})

describe("a cache in a policy", () => {
  const make = Effect.gen(function*() {
    const cache = yield* Policy.cache({ name: "c", timeToLive: 1000, most: 2, keeps })
    let calls = 0
    const call = Effect.suspend(() => Effect.succeed(++calls))
    const ask = <A, E>(key: string | undefined, call: Effect.Effect<A, E>) =>
      Effect.provideService(cache.run(call), Policy.CacheKey, key)
    return { ask, cache, call, calls: () => calls }
  })

  it.effect("answers from the last call of a key, until its time is over or others took its place", () =>
    Effect.gen(function*() {
      const { ask, call } = yield* make
      const asked = (keys: ReadonlyArray<string | undefined>) => Effect.forEach(keys, (key) => ask(key, call))
      assert.deepStrictEqual(yield* asked(["a", "a", "b", "a", undefined, undefined]), [1, 1, 2, 1, 3, 4])
      yield* TestClock.adjust(999)
      assert.deepStrictEqual(yield* asked(["a"]), [1])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* asked(["a", "c", "a", "d", "c", "a"]), [5, 6, 5, 7, 8, 9])
    }))

  it.effect("keeps neither failures nor what it does not know", () =>
    Effect.gen(function*() {
      const { ask, call } = yield* make
      assert.strictEqual(yield* Effect.flip(ask("a", Effect.fail("down"))), "down")
      assert.strictEqual(yield* ask("a", Effect.succeed("text")), "text")
      assert.strictEqual(yield* ask("a", call), 1)
      assert.strictEqual(yield* ask("a", Effect.fail("down")), 1)
    }))

  it.effect("makes one call for all who ask at once; where it fails, each makes its own", () =>
    Effect.gen(function*() {
      const { ask, call, calls } = yield* make
      const slow = Effect.delay(call, 100)
      const [together, took] = yield* timed(
        Effect.all([ask("a", slow), ask("a", slow), ask("b", slow), ask("a", slow)], { concurrency: "unbounded" })
      )
      assert.deepStrictEqual([tagOf(together), took, calls()], [[1, 1, 2, 1], 100, 2])
      const failing = Effect.delay(Effect.suspend(() => Effect.fail(`no ${calls()}`)), 100)
      const [alone, long] = yield* timed(
        Effect.all([ask("x", failing), ask("x", slow), ask("x", slow)], { concurrency: "unbounded", mode: "result" })
      )
      const values = Exit.isSuccess(alone)
        ? alone.value.map((result) => Result.isSuccess(result) ? result.success : result.failure)
        : []
      assert.deepStrictEqual([values, long], [["no 2", 3, 4], 200])
    }))

  it.effect("is not in the way of a call inside of a call, under the same key", () =>
    Effect.gen(function*() {
      const { ask, cache, call } = yield* make
      const [exit, took] = yield* timed(ask("a", Effect.andThen(cache.run(call), cache.run(call))))
      assert.deepStrictEqual([tagOf(exit), took], [2, 0])
    }))

  it.effect("is told of: what it costs, and where it is a mistake", () =>
    Effect.gen(function*() {
      const { cache } = yield* make
      const timeout = yield* Policy.timeout(50)
      const policy = Policy.compose(cache, timeout)
      assert.deepStrictEqual(Policy.worst(policy), { attempts: 1, millis: 100 })
      assert.strictEqual(Policy.describe(policy).text.split("\n")[0], "cache c, keeps 1000 ms")
      const other = yield* Policy.cache({ name: "other", timeToLive: 1000, keeps })
      const mistakes = (all: Policy.Any) => Policy.warnings(all).map(({ layers, mistake }) => [mistake, layers])
      assert.deepStrictEqual(mistakes(Policy.compose(cache, timeout, other)), [["Twice", [0, 2]]])
      const old = Policy.fallback("old", () => Effect.succeed(0))
      assert.deepStrictEqual(mistakes(Policy.compose(cache, old)), [["Kept", [0, 1]]])
      assert.deepStrictEqual(mistakes(Policy.compose(old, cache, timeout)), [])
    }))
})

describe("composition", () => {
  /** One of each, made anew so that no run meets the state of another. */
  const pieces = (notes: Array<string>) =>
    Effect.all([
      Effect.succeed(noting(notes, "n")),
      spaced(1),
      Policy.timeout(130),
      Effect.map(CircuitBreaker.make({ name: "b", trip: CircuitBreaker.consecutive(2) }), Policy.breaker),
      Effect.succeed(Policy.fallbackFor("f", ["CircuitOpen", "DeadlineExceeded"], () => Effect.fail("rests" as const))),
      Effect.map(Bulkhead.make({ name: "p", running: 1 }), Policy.bulkhead),
      Policy.faults({ name: "x", latency: { rate: 0.5, time: 60 }, failure: { rate: 0.3, error: "fault" } }),
      Effect.map(RateLimiter.make({ name: "l", limit: 1, per: 70 }), (limiter) =>
        Policy.rateLimiter(limiter, { waitFor: 100 })),
      Policy.cache({
        name: "c",
        timeToLive: 50,
        keeps: (value) =>
          value === "ok"
      })
    ]).pipe(Effect.provide(RateLimiterStore.layerMemory))
  type Piece = Policy.Policy<unknown, never, unknown, unknown>

  /** What three calls at once come to, step by step. */
  const trace = (build: (pieces: ReadonlyArray<Piece>) => Piece) =>
    Effect.gen(function*() {
      const notes: Array<string> = []
      const policy = build(yield* pieces(notes))
      const calls = [Effect.succeed("ok"), Effect.fail("bad"), Effect.delay(Effect.fail("late"), 80)]
      const exits = yield* timed(Effect.forEach(calls, (call) =>
        Effect.exit(policy.run(Effect.andThen(
          Effect.sync(() => notes.push("call")),
          call
        ))), { concurrency: 3 }))
      const told = [Policy.worst(policy), Policy.describe(policy), Policy.warnings(policy)]
      return JSON.stringify([notes, exits, told])
    }).pipe(Random.withSeed("laws"), Effect.provideService(Policy.CacheKey, "key"))

  const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8]
  const of = (pieces: ReadonlyArray<Piece>, index: number): Piece => pieces[index] ?? Policy.none

  it.effect("is associative: how it is bracketed makes no difference", () =>
    Effect.gen(function*() {
      const seen = new Set<string>()
      for (const a of numbers) {
        for (const b of numbers) {
          for (const c of numbers) {
            const [flat, left, right] = yield* Effect.all([
              trace((all) => Policy.compose(of(all, a), of(all, b), of(all, c))),
              trace((all) => Policy.compose(Policy.compose(of(all, a), of(all, b)), of(all, c))),
              trace((all) => Policy.compose(of(all, a), Policy.compose(of(all, b), of(all, c))))
            ])
            assert.strictEqual(left, flat)
            assert.strictEqual(right, flat)
            seen.add(flat)
          }
        }
      }
      assert.isAbove(seen.size, 300)
    }))

  it.effect("has an identity: the policy that does nothing", () =>
    Effect.gen(function*() {
      for (const a of numbers) {
        const alone = yield* trace((all) => of(all, a))
        assert.strictEqual(yield* trace((all) => Policy.compose(Policy.none, of(all, a))), alone)
        assert.strictEqual(yield* trace((all) => Policy.compose(of(all, a), Policy.none)), alone)
      }
    }))
})

describe("what a policy tells of itself", () => {
  const guarded = Effect.gen(function*() {
    const breaker = yield* CircuitBreaker.make({ name: "bank" })
    const bulkhead = yield* Bulkhead.make({ name: "bank", running: 2, waiting: 5, waitFor: 40 })
    return Policy.compose(
      Policy.fallback("\"old\" <b>", () => Effect.void),
      yield* Policy.timeout("2 seconds", "all"),
      yield* spaced(2),
      Policy.breaker(breaker),
      Policy.bulkhead(bulkhead),
      yield* Policy.timeout(500)
    )
  })

  it.effect("is words and a drawing, layer by layer", () =>
    Effect.gen(function*() {
      const { mermaid, text } = Policy.describe(yield* guarded)
      assert.strictEqual(
        text,
        `fallback "old" <b>
  timeout all, 2000 ms
    retry r, 3 attempts
      circuit breaker bank
        bulkhead bank, waits 40 ms
          timeout, 500 ms
            the call
at most 3 calls, 1820 ms`
      )
      assert.strictEqual(
        mermaid,
        `flowchart LR
  caller(["caller"]) --> layer0["fallback #34;old#34; #60;b#62;"]
  layer0["fallback #34;old#34; #60;b#62;"] --> layer1["timeout all, 2000 ms"]
  layer1["timeout all, 2000 ms"] --> layer2["retry r, 3 attempts"]
  layer2["retry r, 3 attempts"] --> layer3["circuit breaker bank"]
  layer3["circuit breaker bank"] --> layer4["bulkhead bank, waits 40 ms"]
  layer4["bulkhead bank, waits 40 ms"] --> layer5["timeout, 500 ms"]
  layer5["timeout, 500 ms"] --> call(["call"])`
      )
    }))

  it.effect("is the most that a call costs, and calls do come to it", () =>
    Effect.gen(function*() {
      const policy = Policy.compose(yield* spaced(2), yield* Policy.timeout(250), yield* spaced(1, 10))
      assert.deepStrictEqual(Policy.worst(policy), { attempts: 6, millis: 950 })
      assert.deepStrictEqual(Policy.worst(policy, 20), { attempts: 6, millis: 350 })
      assert.deepStrictEqual(Policy.worst(Policy.none), { attempts: 1, millis: Infinity })
      let attempts = 0
      const call = Effect.delay(Effect.suspend(() => Effect.fail(++attempts)), 20)
      const [, took] = yield* timed(policy.run(call))
      assert.deepStrictEqual({ attempts, millis: took }, Policy.worst(policy, 20))
      const line = Policy.bulkhead(yield* Bulkhead.make({ name: "p", running: 1, waiting: 1 }))
      assert.deepStrictEqual(Policy.worst(line, 1), { attempts: 1, millis: Infinity })
      const door = Policy.bulkhead(yield* Bulkhead.make({ name: "p", running: 1 }))
      assert.deepStrictEqual(Policy.worst(door, 1), { attempts: 1, millis: 1 })
    }))

  it.effect("counts the attempts of a hedge, which start when one is slow or has failed", () =>
    Effect.gen(function*() {
      const hedge = Policy.hedge("h", { idempotent: true, delay: 30, max: 2 })
      assert.deepStrictEqual(Policy.worst(hedge, 100), { attempts: 3, millis: 160 })
      assert.deepStrictEqual(Policy.worst(hedge, 10), { attempts: 3, millis: 30 })
      let attempts = 0
      const slow = Effect.delay(Effect.suspend(() => Effect.fail(attempts)), 100)
      const [exit, took] = yield* timed(hedge.run(Effect.suspend(() => (attempts++, slow))))
      assert.deepStrictEqual([tagOf(exit), attempts, took], ["AllFailed", 3, 160])
      const { mistake } = Policy.warnings(Policy.compose(yield* spaced(1), hedge))[0] ?? {}
      assert.strictEqual(mistake, "Multiplies")
    }))

  it.effect("names its mistakes, and none where there is none", () =>
    Effect.gen(function*() {
      const breaker = Policy.breaker(yield* CircuitBreaker.make({ name: "bank" }))
      const retry = yield* spaced(2)
      const second = yield* Policy.timeout(1000)
      const mistakes = (policy: Policy.Any, deadline?: number) =>
        Policy.warnings(policy, deadline).map(({ layers, mistake }) => [mistake, layers])
      const hedge = Policy.layer(
        { kind: "hedge", name: "h", worst: ({ attempts, millis }) => ({ attempts: 2 * attempts, millis }) },
        (call) => call
      )
      const fallback = Policy.fallback("old", () => Effect.void)
      const brief = yield* Policy.timeout(9)

      assert.deepStrictEqual(mistakes(yield* guarded), [])
      assert.deepStrictEqual(mistakes(Policy.compose(retry, breaker, hedge)), [["Multiplies", [0, 2]]])
      assert.deepStrictEqual(mistakes(Policy.compose(second, retry, second)), [["NeverOver", [0, 2]]])
      assert.deepStrictEqual(mistakes(Policy.compose(second, yield* Policy.timeout(999))), [])
      assert.deepStrictEqual(mistakes(second, 1000), [["NeverOver", [0]]])
      assert.deepStrictEqual(mistakes(second, 1001), [])
      assert.deepStrictEqual(mistakes(Policy.compose(breaker, second, breaker, brief)), [["Twice", [0, 2]]])
      assert.deepStrictEqual(mistakes(Policy.compose(second, breaker)), [["Uncounted", [0, 1]]])
      assert.deepStrictEqual(mistakes(Policy.compose(breaker, second)), [])
      assert.deepStrictEqual(mistakes(Policy.compose(retry, fallback)), [["Hidden", [0, 1]]])
      assert.deepStrictEqual(mistakes(Policy.compose(fallback, retry)), [])
      assert.deepStrictEqual(Policy.warnings(Policy.compose(retry, breaker, hedge)).map(({ message }) => message), [
        "the retry r and the hedge h make 6 calls of one: keep one of them"
      ])
    }))
})

describe("an exchangeable policy", () => {
  it.effect("lets calls end as they began, and runs new ones under the new policy", () =>
    Effect.gen(function*() {
      const old = Policy.fallback("old", () => Effect.succeed("old"))
      const { exchange, policy } = yield* Policy.exchangeable(old)
      const gate = yield* Deferred.make<void>()
      const running = yield* Effect.forkChild(policy.run(Effect.andThen(Deferred.await(gate), Effect.fail("x"))), {
        startImmediately: true
      })
      const exchanging = yield* Effect.forkChild(exchange(Policy.fallback("new", () => Effect.succeed("new"))), {
        startImmediately: true
      })
      assert.strictEqual(yield* policy.run(Effect.fail("x")), "new")
      assert.strictEqual(Policy.describe(policy).text.split("\n")[0], "fallback new")
      assert.isUndefined(exchanging.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* Fiber.join(running), "old")
      yield* Fiber.join(exchanging)
      yield* exchange(old)
      assert.strictEqual(yield* policy.run(Effect.fail("x")), "old")
    }))

  it.effect("is told of inside of another as it is at the moment", () =>
    Effect.gen(function*() {
      const { exchange, policy } = yield* Policy.exchangeable<never, never, unknown, never, never>(yield* spaced(2))
      const whole = Policy.compose(Policy.none, policy)
      assert.strictEqual(Policy.worst(whole).attempts, 3)
      yield* exchange(Policy.none)
      assert.strictEqual(Policy.worst(whole).attempts, 1)
    }))
})

describe("faults", () => {
  const calls = (count: number) =>
    Effect.gen(function*() {
      const faults = yield* Policy.faults({
        name: "f",
        latency: { rate: 0.25, time: 1000 },
        failure: { rate: 0.5, error: "fault" },
        outcome: { rate: 0.5, value: "wrong" }
      })
      let made = 0
      const call = Effect.clockWith((clock) =>
        Effect.gen(function*() {
          const since = clock.currentTimeMillisUnsafe()
          const end = tagOf(yield* Effect.exit(faults.run(Effect.sync(() => (made++, "right")))))
          return `${String(end)} after ${clock.currentTimeMillisUnsafe() - since}`
        })
      )
      const [exit] = yield* timed(Effect.replicateEffect(call, count))
      return { made, ends: Exit.isSuccess(exit) ? exit.value : [] }
    })

  it.effect("come at their rates, and a call that fails or is answered is not made", () =>
    Effect.gen(function*() {
      const { ends, made } = yield* Random.withSeed(calls(2000), "rates")
      const share = (of: string) => ends.filter((end) => end.includes(of)).length / ends.length
      assert.closeTo(share("fault"), 0.5, 0.05)
      assert.closeTo(share("wrong"), 0.25, 0.05)
      assert.closeTo(share("after 1000"), 0.25, 0.05)
      assert.strictEqual(share("after 1000") + share("after 0"), 1)
      assert.strictEqual(made, ends.filter((end) => end.startsWith("right")).length)
    }))

  it.effect("are the same under the same seed", () =>
    Effect.gen(function*() {
      const once = yield* Random.withSeed(calls(50), "same")
      assert.deepStrictEqual(yield* Random.withSeed(calls(50), "same"), once)
      assert.notDeepEqual(yield* Random.withSeed(calls(50), "other"), once)
    }))
})
