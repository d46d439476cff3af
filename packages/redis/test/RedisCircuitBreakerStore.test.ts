import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { CircuitBreaker as Store } from "effect/persistence"
import * as Stream from "effect/Stream"
import { CircuitBreaker } from "heddle/resilience"
import { inject } from "vitest"
import { RedisCircuitBreakerStore } from "../src/index.ts"
import * as RedisTest from "./RedisTest.ts"

const url = inject("redisUrl")
const options = { name: "bank", trip: CircuitBreaker.consecutive(2), openFor: "150 millis" } as const

/** A process of the fleet: a connection of its own. */
const process = (prefix: string, to = url) =>
  Effect.map(
    Layer.build(RedisCircuitBreakerStore.layer({ url: to, prefix, commandTimeout: "500 millis" })),
    (context) => <A, E, R>(effect: Effect.Effect<A, E, R | Store.CircuitBreakerStore>) =>
      Effect.provide(effect, context)
  )

const fail = Effect.fail("down" as const)
const tag = (error: unknown) => typeof error === "object" && error !== null && "_tag" in error ? error._tag : error
const ends = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.map(Effect.result(call), (end) => end._tag === "Success" ? "ok" : tag(end.failure))

/** Asks until it answers so; a circuit's time is the server's. */
const until = <A>(answer: A, ask: Effect.Effect<A>) =>
  Effect.repeat(Effect.delay(ask, "10 millis"), { until: (one) => one === answer })

describe("a circuit that two processes share on Redis", () => {
  it.live("is open for the one when the other has found out, and closed for both when one probe has succeeded", () =>
    Effect.gen(function*() {
      const here = yield* (yield* process("fleet"))(CircuitBreaker.shared(options))
      const there = yield* (yield* process("fleet"))(CircuitBreaker.shared(options))
      const told: Array<string> = []
      yield* Effect.forkScoped(
        Stream.runForEach(there.changes, ({ from, to }) => Effect.sync(() => told.push(`${from} → ${to}`))),
        { startImmediately: true }
      )
      assert.deepStrictEqual([yield* ends(here.run(fail)), yield* ends(there.run(fail))], ["down", "down"])
      const refusal = yield* Effect.flip(here.run(Effect.void))
      assert.deepStrictEqual([refusal._tag, refusal.name, refusal.state], ["CircuitOpen", "bank", "open"])
      assert.isTrue(refusal.retryAfter > 0 && refusal.retryAfter <= 150)
      assert.notInclude(refusal.stack ?? "", "\n    at ")
      assert.strictEqual(yield* here.state, "open")

      const gate = yield* Deferred.make<void>()
      const began = yield* Deferred.make<void>()
      const probe = yield* Effect.forkChild(until(
        "ok",
        ends(there.run(Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(gate))))
      ))
      yield* Deferred.await(began)
      assert.strictEqual(yield* here.state, "half-open")
      const second = yield* Effect.flip(here.run(Effect.void))
      assert.deepStrictEqual([second._tag, second.state], ["CircuitOpen", "half-open"])
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(probe)
      assert.strictEqual(yield* ends(here.run(Effect.void)), "ok")
      yield* until(3, Effect.sync(() => told.length))
      assert.deepStrictEqual(told, ["closed → open", "open → half-open", "half-open → closed"])
    }))

  it.live("gives the place of a probe back when its caller is interrupted, and no defect or failure is lost", () =>
    Effect.gen(function*() {
      const here = yield* (yield* process("probe"))(CircuitBreaker.shared(options))
      const there = yield* (yield* process("probe"))(CircuitBreaker.shared(options))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(here.run(Effect.die("bug")))))
      yield* ends(here.run(fail))
      const began = yield* Deferred.make<void>()
      const hanging = here.run(Effect.andThen(Deferred.succeed(began, undefined), Effect.never))
      const probe = yield* Effect.forkChild(until("ok", ends(hanging)))
      yield* Deferred.await(began)
      assert.strictEqual(yield* ends(there.run(Effect.void)), "CircuitOpen")
      yield* Fiber.interrupt(probe)
      assert.strictEqual(yield* ends(there.run(Effect.void)), "ok")
      assert.strictEqual(yield* there.state, "closed")
    }))

  it.live("sends a script whole where the server has forgotten it", () =>
    Effect.gen(function*() {
      const { admin, url } = yield* RedisTest.make
      const here = yield* (yield* process("forgotten", url))(CircuitBreaker.shared(options))
      assert.strictEqual(yield* ends(here.run(fail)), "down")
      yield* admin((redis) => redis.script("FLUSH"))
      assert.strictEqual(yield* ends(here.run(fail)), "down")
      assert.strictEqual(yield* here.state, "open")
    }))
})

describe("while the store is down", () => {
  const downed = (storeDown: "local" | "allow" | "refuse") =>
    Effect.gen(function*() {
      const { proxy, url } = yield* RedisTest.make
      const inProcess = yield* process("down", url)
      const chosen = { ...options, openFor: "10 seconds" } as const
      const breaker = yield* inProcess(
        storeDown === "refuse"
          ? CircuitBreaker.shared({ ...chosen, storeDown })
          : CircuitBreaker.shared({ ...chosen, storeDown })
      )
      assert.strictEqual(yield* ends(breaker.run(Effect.void)), "ok")
      yield* proxy.cut("both")
      const answers = yield* Effect.replicateEffect(ends(breaker.run(fail)), 3)
      const state = tag(yield* Effect.flip(breaker.state))
      yield* proxy.heal
      yield* until("closed", Effect.orElseSucceed(breaker.state, () => "closed"))
      return [...answers, state]
    })

  it.live("a circuit of the process alone stands in", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* downed("local"), ["down", "down", "CircuitOpen", "CircuitStoreDown"])
    }))

  it.live("all calls run where that was chosen", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* downed("allow"), ["down", "down", "down", "CircuitStoreDown"])
    }))

  it.live("no call runs where that was chosen", () =>
    Effect.gen(function*() {
      const no = "CircuitStoreDown"
      assert.deepStrictEqual(yield* downed("refuse"), [no, no, no, no])
    }))
})
