import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { CircuitBreaker } from "heddle/resilience"

const bad = Effect.fail("bad" as const)
const good = Effect.succeed("good" as const)

/** Makes it fail so often. */
const fails = (breaker: CircuitBreaker.CircuitBreaker, times: number) =>
  Effect.repeat(Effect.exit(breaker.run(bad)), { times: times - 1 })

const refusal = (breaker: CircuitBreaker.CircuitBreaker) => Effect.flip(breaker.run(Effect.die("it ran")))

describe("a circuit breaker", () => {
  it.effect("AC-09.1 opens on the fifth failure in a row, and then runs no call for ten seconds", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db" })
      yield* fails(breaker, 4)
      assert.strictEqual(yield* breaker.run(good), "good")
      yield* fails(breaker, 4)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fails(breaker, 1)
      assert.strictEqual(yield* breaker.state, "open")
      yield* TestClock.adjust(4000)
      const open = yield* refusal(breaker)
      assert.deepStrictEqual([open._tag, open.name, open.state, open.retryAfter], ["CircuitOpen", "db", "open", 6000])
      assert.include(open.message, "db")
      yield* TestClock.adjust(5999)
      assert.strictEqual((yield* refusal(breaker)).retryAfter, 1)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* breaker.run(good), "good")
    }))

  it.effect("AC-09.2 turns half-open once, whoever looks, and runs so many probes and no more", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db" })
      const changes = yield* Effect.forkChild(Stream.runCollect(Stream.take(breaker.changes, 3)))
      yield* Effect.yieldNow
      yield* fails(breaker, 5)
      yield* TestClock.adjust("10 seconds")
      const gate = yield* Deferred.make<void>()
      let most = 0
      let running = 0
      const probe = Effect.acquireUseRelease(
        Effect.sync(() => void (most = Math.max(most, ++running))),
        () => Deferred.await(gate),
        () => Effect.sync(() => void running--)
      )
      const all = yield* Effect.forEach(
        Array.from({ length: 100 }),
        () => Effect.forkChild(Effect.exit(breaker.run(probe)))
      )
      yield* Effect.yieldNow
      yield* Deferred.succeed(gate, undefined)
      const exits = yield* Effect.forEach(all, Fiber.join)
      assert.deepStrictEqual([most, exits.filter(Exit.isSuccess).length], [3, 3])
      const refused = exits.flatMap((exit) =>
        Exit.isFailure(exit) ? [Option.getOrThrow(Exit.findErrorOption(exit))] : []
      )
      assert.strictEqual(refused.length, 97)
      assert.isTrue(
        refused.every(({ _tag, name, state }) => _tag === "CircuitOpen" && name === "db" && state === "half-open")
      )
      assert.deepStrictEqual((yield* Fiber.join(changes)).map(({ from, name, to }) => `${name}: ${from} to ${to}`), [
        "db: closed to open",
        "db: open to half-open",
        "db: half-open to closed"
      ])
    }))

  it.effect("AC-09.3 three probes that succeed close it, one that fails or dies opens it anew, one that is interrupted gives its place back", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", probes: 1 })
      yield* fails(breaker, 5)
      yield* TestClock.adjust("10 seconds")
      for (const end of [bad, Effect.die("probe")]) {
        assert.strictEqual(yield* breaker.run(good), "good")
        assert.strictEqual(yield* breaker.run(good), "good")
        const hangs = yield* Effect.forkChild(breaker.run(Effect.never), { startImmediately: true })
        assert.strictEqual((yield* refusal(breaker)).state, "half-open")
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(hangs)
        assert.strictEqual(yield* breaker.state, "half-open")
        assert.isTrue(Exit.isFailure(yield* Effect.exit(breaker.run(end))))
        assert.deepInclude(yield* refusal(breaker), { state: "open", retryAfter: 10_000 })
        yield* TestClock.adjust("10 seconds")
      }
      // What succeeded before it opened anew is forgotten.
      yield* breaker.run(good)
      yield* breaker.run(good)
      assert.strictEqual(yield* breaker.state, "half-open")
      yield* breaker.run(good)
      assert.strictEqual(yield* breaker.state, "closed")
    }))

  it.effect("runs one probe at a time where it is told so", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", successes: 3, probes: 1 })
      yield* fails(breaker, 5)
      yield* TestClock.adjust("10 seconds")
      const hangs = yield* Effect.forkChild(breaker.run(Effect.never), { startImmediately: true })
      assert.strictEqual((yield* refusal(breaker)).state, "half-open")
      yield* Fiber.interrupt(hangs)
    }))

  it.effect("AC-09.4 what began in an earlier time of the circuit changes nothing in this one", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", successes: 1 })
      const gate = yield* Deferred.make<void>()
      const late = (end: Effect.Effect<string, string>) =>
        Effect.forkChild(Effect.exit(breaker.run(Effect.andThen(Deferred.await(gate), end))), {
          startImmediately: true
        })
      const early = [yield* late(good), yield* late(bad)]
      yield* fails(breaker, 5)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* breaker.state, "half-open")
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach(early, Fiber.join)
      assert.strictEqual(yield* breaker.state, "half-open")
      yield* breaker.run(good)
      assert.strictEqual(yield* breaker.state, "closed")
    }))

  it.effect("AC-09.4 nor do failures of before it opened, nor a probe of an earlier time, once it is closed again", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", successes: 1 })
      const gate = yield* Deferred.make<void>()
      const late = Effect.forkChild(Effect.exit(breaker.run(Effect.andThen(Deferred.await(gate), bad))), {
        startImmediately: true
      })
      const early = yield* Effect.replicateEffect(late, 5)
      yield* fails(breaker, 5)
      yield* TestClock.adjust("10 seconds")
      const probe = yield* late
      yield* TestClock.adjust("10 seconds")
      yield* breaker.run(good)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.forEach([...early, probe], Fiber.join)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fails(breaker, 4)
      assert.strictEqual(yield* breaker.state, "closed")
    }))

  it.effect("AC-09.5 a caller that gives up is no failure, a timeout inside of it is", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", trip: CircuitBreaker.consecutive(1) })
      const caller = yield* Effect.forkChild(breaker.run(Effect.never), { startImmediately: true })
      yield* Fiber.interrupt(caller)
      assert.strictEqual(yield* breaker.state, "closed")
      const slow = yield* Effect.forkChild(Effect.exit(breaker.run(Effect.timeout(Effect.never, 50))))
      yield* TestClock.adjust(50)
      yield* Fiber.join(slow)
      assert.strictEqual(yield* breaker.state, "open")
    }))

  it.effect("AC-09.6 each call is counted once, in its state and in the metrics", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "metrics" })
      let requests = 0
      const request = <A, E>(call: Effect.Effect<A, E>) =>
        Effect.forkChild(
          Effect.suspend(() => {
            requests++
            return Effect.exit(breaker.run(call))
          }),
          { startImmediately: true }
        )
      yield* request(good)
      yield* Effect.flatMap(request(Effect.never), Fiber.interrupt)
      // A timeout is a failure, within.
      yield* request(Effect.timeout(Effect.never, "1 second"))
      yield* TestClock.adjust("1 second")
      yield* Effect.replicateEffect(request(bad), 4)
      yield* request(good)
      yield* Effect.flatMap(request(Effect.never), Fiber.await)
      const calls = yield* breaker.calls
      assert.deepStrictEqual(calls, { success: 1, failure: 5, ignored: 1, refused: 2 })
      assert.strictEqual(calls.success + calls.failure + calls.ignored + calls.refused, requests)
      const counts = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        attributes?.["breaker"] !== "metrics"
          ? []
          : [[
            id,
            attributes["outcome"] ?? attributes["to"],
            "count" in state ? state.count : "value" in state && state.value
          ]]
      )
      assert.includeDeepMembers(counts, [
        ["heddle_circuit_breaker_calls_total", "success", 1],
        ["heddle_circuit_breaker_calls_total", "failure", 5],
        ["heddle_circuit_breaker_calls_total", "ignored", 1],
        ["heddle_circuit_breaker_calls_total", "refused", 2],
        ["heddle_circuit_breaker_changes_total", "open", 1],
        ["heddle_circuit_breaker_open", undefined, 1]
      ])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("AC-09.7 who listens may use the breaker, and may fail", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", trip: CircuitBreaker.consecutive(1), successes: 1 })
      const seen = new Array<readonly [heard: string, state: CircuitBreaker.State, own: string]>()
      yield* Effect.forkChild(Stream.runForEach(breaker.changes, () => Effect.die("listener")))
      const listener = yield* Effect.forkChild(Stream.runForEach(Stream.take(breaker.changes, 3), ({ to }) =>
        Effect.gen(function*() {
          const own = yield* Effect.exit(breaker.run(good))
          seen.push([to, yield* breaker.state, own._tag])
        })))
      yield* Effect.yieldNow
      yield* fails(breaker, 1)
      yield* Effect.repeat(Effect.yieldNow, {
        until: () =>
          seen.length === 1
      })
      yield* TestClock.adjust("10 seconds")
      yield* breaker.run(good)
      yield* Fiber.join(listener)
      assert.deepStrictEqual(seen, [
        ["open", "open", "Failure"],
        ["half-open", "closed", "Success"],
        ["closed", "closed", "Success"]
      ])
    }))

  it.effect("AC-09.8 refuses options that mean nothing", () =>
    Effect.gen(function*() {
      const wrong = (options: Partial<CircuitBreaker.Options>) =>
        Effect.map(Effect.flip(CircuitBreaker.make({ name: "db", ...options })), ({ option }) => option)
      const { consecutive, rate } = CircuitBreaker
      assert.strictEqual(yield* wrong({ name: "" }), "name")
      assert.strictEqual(yield* wrong({ trip: consecutive(0) }), "trip.failures")
      assert.strictEqual(yield* wrong({ trip: consecutive(NaN) }), "trip.failures")
      assert.strictEqual(yield* wrong({ successes: 0 }), "successes")
      assert.strictEqual(yield* wrong({ probes: 0.5 }), "probes")
      assert.strictEqual(yield* wrong({ openFor: 0 }), "openFor")
      assert.strictEqual(yield* wrong({ openFor: NaN }), "openFor")
      assert.strictEqual(yield* wrong({ openFor: Infinity }), "openFor")
      const of = { calls: 10 }
      assert.strictEqual(yield* wrong({ trip: rate({ failures: 0, of, minimumCalls: 1 }) }), "trip.failures")
      assert.strictEqual(yield* wrong({ trip: rate({ failures: 1.1, of, minimumCalls: 1 }) }), "trip.failures")
      assert.strictEqual(yield* wrong({ trip: rate({ failures: 1, of, minimumCalls: 11 }) }), "trip.of.calls")
      assert.strictEqual(
        yield* wrong({ trip: rate({ failures: 1, of: { during: -1 }, minimumCalls: 1 }) }),
        "trip.of.during"
      )
      const slow = { than: 0, share: 1 }
      assert.strictEqual(yield* wrong({ trip: rate({ failures: 1, of, minimumCalls: 1, slow }) }), "trip.slow.than")
    }))

  it.effect("AC-09.9 trips on a share of failures, which a success between them does not hide", () =>
    Effect.gen(function*() {
      const trip = CircuitBreaker.rate({ failures: 0.5, of: { calls: 10 }, minimumCalls: 6 })
      const breaker = yield* CircuitBreaker.make({ name: "db", trip })
      for (let turn = 0; turn < 3; turn++) {
        assert.strictEqual(yield* breaker.state, "closed")
        yield* breaker.run(good)
        yield* fails(breaker, 1)
      }
      assert.strictEqual(yield* breaker.state, "open")
    }))

  it.effect("AC-09.10 goes from closed over open and half-open to closed, as the demo meant to show", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({
        name: "demo",
        trip: CircuitBreaker.consecutive(3),
        successes: 2,
        openFor: "5 seconds"
      })
      const states = new Array<string>()
      for (let request = 1; request <= 20; request++) {
        const sick = request >= 6 && request <= 10
        const exit = yield* Effect.exit(breaker.run(sick ? bad : good))
        states.push(`${Exit.isSuccess(exit) ? "ok" : "no"} ${yield* breaker.state}`)
        yield* TestClock.adjust("500 millis")
      }
      assert.deepStrictEqual(states.slice(4, 8), ["ok closed", "no closed", "no closed", "no open"])
      assert.deepStrictEqual(states.slice(8, 17), Array.from({ length: 9 }, () => "no open"))
      assert.deepStrictEqual(states.slice(17), ["ok half-open", "ok closed", "ok closed"])
    }))
})

describe("what a circuit counts", () => {
  it.effect("the last so many calls, and not those before", () =>
    Effect.gen(function*() {
      const trip = CircuitBreaker.rate({ failures: 0.75, of: { calls: 4 }, minimumCalls: 4 })
      const breaker = yield* CircuitBreaker.make({ name: "db", trip })
      yield* fails(breaker, 2)
      yield* Effect.repeat(breaker.run(good), { times: 3 })
      yield* fails(breaker, 2)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fails(breaker, 1)
      assert.strictEqual(yield* breaker.state, "open")
    }))

  it.effect("the calls of a time, which are forgotten a tenth at a time", () =>
    Effect.gen(function*() {
      const trip = CircuitBreaker.rate({ failures: 0.5, of: { during: "10 seconds" }, minimumCalls: 4 })
      const breaker = yield* CircuitBreaker.make({ name: "db", trip })
      yield* fails(breaker, 3)
      yield* TestClock.adjust("10 seconds")
      yield* fails(breaker, 1)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* TestClock.adjust("9 seconds")
      yield* fails(breaker, 2)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* fails(breaker, 1)
      assert.strictEqual(yield* breaker.state, "open")
    }))

  it.effect("calls that are slow, whatever comes of them", () =>
    Effect.gen(function*() {
      const slow = { than: "1 second", share: 0.5 } as const
      const trip = CircuitBreaker.rate({ failures: 1, of: { calls: 4 }, minimumCalls: 4, slow })
      const breaker = yield* CircuitBreaker.make({ name: "db", trip })
      const takes = (millis: number) =>
        Effect.gen(function*() {
          const call = yield* Effect.forkChild(breaker.run(Effect.sleep(millis)), { startImmediately: true })
          yield* TestClock.adjust(millis)
          yield* Fiber.join(call)
        })
      yield* takes(1000)
      yield* takes(1000)
      yield* takes(1001)
      yield* takes(10)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* takes(1001)
      assert.strictEqual(yield* breaker.state, "open")
    }))

  it.effect("what its caller says of the end of a call", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make<"busy" | "bad">({
        name: "db",
        trip: CircuitBreaker.consecutive(2),
        classify: (exit) => Exit.isSuccess(exit) ? { _tag: "Success" } : { _tag: "Ignored" }
      })
      yield* Effect.repeat(Effect.exit(breaker.run(bad)), { times: 9 })
      assert.strictEqual(yield* breaker.state, "closed")
      assert.strictEqual((yield* breaker.calls).ignored, 10)
    }))
})

describe("how long a circuit stays open", () => {
  it.effect("as long as the server asked for, ten minutes at most", () =>
    Effect.gen(function*() {
      let retryAfter = 60_000
      const breaker = yield* CircuitBreaker.make({
        name: "db",
        trip: CircuitBreaker.consecutive(1),
        classify: () => ({ _tag: "Failure", retryAfter })
      })
      yield* fails(breaker, 1)
      assert.strictEqual((yield* refusal(breaker)).retryAfter, 60_000)
      yield* TestClock.adjust("1 minute")
      retryAfter = Infinity
      yield* fails(breaker, 1)
      assert.strictEqual((yield* refusal(breaker)).retryAfter, 600_000)
    }))

  it.effect("as a schedule says, which begins anew after a time that was stable", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({
        name: "db",
        trip: CircuitBreaker.consecutive(1),
        successes: 1,
        openFor: Schedule.exponential("1 second").pipe(Schedule.upTo({ times: 3 }))
      })
      const opens = Effect.gen(function*() {
        yield* fails(breaker, 1)
        const { retryAfter } = yield* refusal(breaker)
        yield* TestClock.adjust(retryAfter)
        return retryAfter
      })
      assert.deepStrictEqual(
        [yield* opens, yield* opens, yield* opens, yield* opens, yield* opens],
        [1000, 2000, 4000, 4000, 4000]
      )
      yield* breaker.run(good)
      yield* TestClock.adjust(3999)
      assert.strictEqual(yield* opens, 4000)
      yield* breaker.run(good)
      yield* TestClock.adjust(4000)
      assert.strictEqual(yield* opens, 1000)
    }))

  it.effect("probes that never end hold it half-open for no longer than it was open", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", trip: CircuitBreaker.consecutive(1), successes: 1 })
      yield* fails(breaker, 1)
      yield* TestClock.adjust("10 seconds")
      const hangs = yield* Effect.forkChild(Effect.exit(breaker.run(Effect.never)), { startImmediately: true })
      yield* TestClock.adjust(9999)
      assert.deepInclude(yield* refusal(breaker), { state: "half-open", retryAfter: 1 })
      yield* TestClock.adjust(1)
      yield* breaker.run(good)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* Fiber.interrupt(hangs)
      assert.strictEqual(yield* breaker.state, "closed")
    }))
})

describe("a circuit in somebody's hand", () => {
  it.effect("refuses while it is isolated, until the last one lets go", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db" })
      const [one, two] = [yield* Scope.make(), yield* Scope.make()]
      yield* Scope.provide(breaker.isolate, one)
      yield* Scope.provide(breaker.isolate, two)
      yield* Scope.close(one, Exit.void)
      assert.deepInclude(yield* refusal(breaker), { state: "isolated", retryAfter: Infinity })
      yield* breaker.reset
      assert.strictEqual(yield* breaker.state, "isolated")
      yield* Scope.close(two, Exit.void)
      assert.strictEqual(yield* breaker.run(good), "good")
    }))

  it.effect("tells each change from the state that was told last, and who hears of it finds it so", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db" })
      const heard = new Array<
        readonly [from: CircuitBreaker.State, to: CircuitBreaker.State, now: CircuitBreaker.State]
      >()
      yield* Effect.forkChild(
        Stream.runForEach(
          breaker.changes,
          ({ from, to }) => Effect.map(breaker.state, (state) => heard.push([from, to, state]))
        )
      )
      yield* Effect.repeat(Effect.yieldNow, { times: 3 })
      yield* fails(breaker, 5)
      yield* Effect.scoped(Effect.andThen(breaker.isolate, TestClock.adjust("10 seconds")))
      yield* Effect.repeat(Effect.yieldNow, { until: () => heard.length === 3 })
      assert.deepStrictEqual(heard, [
        ["closed", "open", "open"],
        ["open", "isolated", "isolated"],
        ["isolated", "half-open", "half-open"]
      ])
    }))

  it.effect("closes when it is reset, and forgets", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db" })
      yield* fails(breaker, 5)
      yield* breaker.reset
      yield* fails(breaker, 4)
      assert.strictEqual(yield* breaker.state, "closed")
      yield* breaker.reset
      yield* fails(breaker, 4)
      assert.strictEqual(yield* breaker.state, "closed")
    }))

  it.effect("lets all through where it only observes, and goes its way", () =>
    Effect.gen(function*() {
      const breaker = yield* CircuitBreaker.make({ name: "db", observeOnly: true })
      yield* fails(breaker, 5)
      assert.strictEqual(yield* breaker.state, "open")
      assert.strictEqual(yield* breaker.run(good), "good")
      assert.strictEqual(yield* breaker.state, "open")
    }))
})

describe("a family of circuits", () => {
  it.effect("keeps one for each key, and tells the changes of all", () =>
    Effect.gen(function*() {
      const family = yield* CircuitBreaker.family({ name: "hosts", trip: CircuitBreaker.consecutive(1) })
      const changes = yield* Effect.forkChild(Stream.runCollect(Stream.take(family.changes, 1)))
      yield* Effect.yieldNow
      yield* fails(family.get("a"), 1)
      assert.strictEqual(yield* family.get("a").state, "open")
      assert.strictEqual(yield* family.get("b").state, "closed")
      assert.strictEqual(family.get("a"), family.get("a"))
      assert.deepStrictEqual((yield* Fiber.join(changes)).map(({ name }) => name), ["hosts/a"])
    }))

  it.effect("forgets the one that was asked for least recently, an open one last", () =>
    Effect.gen(function*() {
      const family = yield* CircuitBreaker.family({ name: "hosts", trip: CircuitBreaker.consecutive(1), most: 2 })
      yield* fails(family.get("a"), 1)
      const b = family.get("b")
      assert.notStrictEqual(family.get("c"), b)
      assert.strictEqual(yield* family.get("a").state, "open")
      assert.notStrictEqual(family.get("b"), b)
      yield* fails(family.get("b"), 1)
      family.get("d")
      assert.strictEqual(yield* family.get("a").state, "closed")
    }))
})
