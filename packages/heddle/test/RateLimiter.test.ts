import { assert, describe, it } from "@effect/vitest"
import { rateLimiterLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { Lease } from "heddle/coordination"
import { RateLimiter, RateLimiterStore, RateMachine } from "heddle/resilience"
import { Machines } from "../src/resilience/internal/Machines.ts"

rateLimiterLaws("memory", RateLimiterStore.layerMemory)

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onFailure: ({ _tag }): string => _tag, onSuccess: () => "went" })

describe("the machine of rate limits", () => {
  const Step = Schema.Struct({
    pass: Schema.Literals([0, 0, 1, 13, 90]),
    cost: int(1, 4),
    patience: Schema.Literals([0, 40, 400])
  })
  const steps = Schema.Array(Step).check(Schema.isMaxLength(60))
  const granted = (rule: RateMachine.Rule, all: ReadonlyArray<typeof Step.Type>) => {
    const machine = new RateMachine.RateMachine(rule)
    const grants: Array<{ readonly at: number; readonly cost: number; readonly wait: number }> = []
    let now = 0
    for (const { cost, pass, patience } of all) {
      now += pass
      const decision = machine.reserve(now, cost, patience)
      if (decision._tag === "Granted") grants.push({ at: decision.at, cost, wait: decision.wait })
      else assert.isAbove(decision.retryAfter, patience)
    }
    return grants
  }
  const mostIn = (per: number, grants: ReturnType<typeof granted>) =>
    Math.max(
      0,
      ...grants.map(({ at }) =>
        grants.reduce((sum, grant) => sum + (grant.at > at - per && grant.at <= at ? grant.cost : 0), 0)
      )
    )

  it.effect.prop("of a window never more than the limit go, wherever it begins", [steps], ([all]) =>
    Effect.sync(() => {
      const grants = granted({ algorithm: "window", limit: 5, per: 100, burst: 5 }, all)
      assert.isAtMost(mostIn(100, grants), 5)
      assert.deepStrictEqual(
        grants.map(({ at }) => at),
        grants.map(({ at }) => at).toSorted((one, other) => one - other)
      )
    }), { arbitrary: { runs: 500 } })

  const late = [["is exact with a limit of 5", 5, 1, 0], [
    "is a 32nd of it too late at most with one of 50",
    50,
    10,
    100 / 32
  ]] as const
  for (const [title, limit, scale, slack] of late) {
    it.effect.prop(`when a turn of a window comes back ${title}`, [steps], ([all]) =>
      Effect.sync(() => {
        const scaled = all.map((step) => ({ ...step, cost: step.cost * scale }))
        const grants = granted({ algorithm: "window", limit, per: 100, burst: limit }, scaled)
        assert.isAtMost(mostIn(100, grants), limit)
        for (const [index, { at, cost, wait }] of grants.entries()) {
          const before = grants.slice(0, index)
          if (wait === 0 || before.at(-1)?.at === at) continue
          const kept = before.reduce((sum, grant) => sum + (grant.at >= at - 100 - slack ? grant.cost : 0), cost)
          assert.isAbove(kept, limit)
        }
      }), { arbitrary: { runs: 500 } })
  }

  it("the burst of an even rate is whole, whatever time it is", () => {
    for (let limit = 1; limit <= 30; limit++) {
      const machine = new RateMachine.RateMachine({ algorithm: "gcra", limit, per: 1000, burst: limit })
      for (let now = 0.1; now < 1e7; now = now * 1.7 + 2000) {
        for (let turn = 0; turn < limit; turn++) assert.strictEqual(machine.take(now, 1), 0)
        assert.approximately(machine.take(now, 1), 1000 / limit, 0.01)
      }
    }
  })

  it("a turn that was kept with others goes back, and nothing that is over does", () => {
    const machine = new RateMachine.RateMachine({ algorithm: "window", limit: 60, per: 320, burst: 60 })
    for (const now of [1, 4, 9]) assert.strictEqual(machine.reserve(now, 20, 0)._tag, "Granted")
    assert.deepStrictEqual(machine.reserve(9, 20, 0), { _tag: "Refused", retryAfter: 320 })
    machine.refund(4, 20)
    machine.refund(4, 60)
    machine.refund(11, 20)
    assert.strictEqual(machine.reserve(20, 20, 0)._tag, "Granted")
    assert.deepStrictEqual(machine.reserve(20, 20, 0), { _tag: "Refused", retryAfter: 309 })
  })

  it("turns of a small limit come back one by one, and what went back takes no room", () => {
    const machine = new RateMachine.RateMachine({ algorithm: "window", limit: 3, per: 320, burst: 3 })
    for (const now of [1, 4, 9]) assert.strictEqual(machine.reserve(now, 1, 0)._tag, "Granted")
    assert.deepStrictEqual(machine.reserve(10, 1, 0), { _tag: "Refused", retryAfter: 311 })
    machine.refund(9, 1)
    for (let round = 0; round < 1000; round++) {
      assert.strictEqual(machine.reserve(10 + round / 1000, 1, 0)._tag, "Granted")
      machine.refund(10 + round / 1000, 1)
    }
    assert.isBelow(JSON.stringify(machine).length, 400)
    for (const now of [10, 321, 324]) assert.strictEqual(machine.reserve(now, 1, 0)._tag, "Granted")
    assert.deepStrictEqual(machine.reserve(324, 1, 0), { _tag: "Refused", retryAfter: 6 })
  })

  it.effect.prop(
    "of an even rate never more than the limit and the burst go in its time",
    [steps],
    ([all]) =>
      Effect.sync(() => {
        const grants = granted({ algorithm: "gcra", limit: 5, per: 100, burst: 4 }, all)
        assert.isAtMost(mostIn(100, grants), 9)
      }),
    { arbitrary: { runs: 500 } }
  )

  it.effect.prop(
    "who is told when to try again is let go then, if nobody else came",
    [steps],
    ([all]) =>
      Effect.sync(() => {
        for (const algorithm of ["window", "gcra"] as const) {
          const machine = new RateMachine.RateMachine({ algorithm, limit: 5, per: 100, burst: 4 })
          let now = 0
          for (const { cost, pass } of all) {
            now += pass
            const decision = machine.reserve(now, cost, 0)
            if (decision._tag === "Granted") continue
            now += decision.retryAfter
            assert.strictEqual(machine.reserve(now + 1e-6, cost, 0)._tag, "Granted")
          }
        }
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop("what is available may go at once, and no more", [steps], ([all]) =>
    Effect.sync(() => {
      for (const algorithm of ["window", "gcra"] as const) {
        const machine = new RateMachine.RateMachine({ algorithm, limit: 5, per: 100, burst: 4 })
        let now = 0
        for (const { cost, pass, patience } of all) {
          now += pass
          const free = machine.available(now)
          if (free > 0) assert.strictEqual(machine.reserve(now, free, 0)._tag, "Granted")
          assert.strictEqual(machine.available(now), 0)
          assert.strictEqual(machine.reserve(now, 1, 0)._tag, "Refused")
          machine.reserve(now, cost, patience)
        }
      }
    }), { arbitrary: { runs: 300 } })
})

describe("a rate limiter", () => {
  const options = { name: "api", limit: 2, per: "1 second" } as const
  const provided = Effect.provide(RateLimiterStore.layerMemory)

  it.effect("lets so many go, refuses the next, and lets go again when it said so", () =>
    Effect.gen(function*() {
      const api = yield* RateLimiter.make(options)
      yield* api.take()
      yield* TestClock.adjust(400)
      yield* api.take()
      const refused = yield* Effect.flip(api.take())
      assert.deepInclude(refused, { _tag: "RateLimited", limiter: "api", retryAfter: 600 })
      assert.isFalse(String(refused.stack ?? "").includes("RateLimiter.test"))
      yield* TestClock.adjust(599)
      assert.strictEqual(yield* tagOf(api.take()), "RateLimited")
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tagOf(api.take()), "went")
    }).pipe(provided))

  it.effect("a store that counts here and one that is asked decide alike, and are counted alike", () =>
    Effect.gen(function*() {
      const { takeUnsafe: _, ...asked } = yield* RateLimiterStore.RateLimiterStore
      const near = yield* RateLimiter.make({ ...options, name: "near" })
      const far = yield* Effect.provideService(
        RateLimiter.make({ ...options, name: "far" }),
        RateLimiterStore.RateLimiterStore,
        asked
      )
      for (const pass of [0, 300, 10, 690, 1, 400, 0, 5000]) {
        yield* TestClock.adjust(pass)
        for (const cost of [2, 1, 1]) {
          const both = yield* Effect.forEach([near, far], (api) => Effect.result(api.take({ key: "a", cost })))
          const [here, there] = both.map((result) =>
            Result.match(result, {
              onSuccess: () => "went",
              onFailure: (error) => [error._tag, error._tag === "RateLimited" ? error.retryAfter : 0]
            })
          )
          assert.deepStrictEqual(here, there)
        }
      }
      const counts = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        id === "heddle_rate_limiter_decisions_total"
          ? [{ limiter: attributes?.["limiter"], decision: attributes?.["decision"], state }]
          : []
      )
      const of = (name: string) =>
        counts.filter(({ limiter }) => limiter === name).map(({ decision, state }) => ({ decision, state }))
      assert.deepStrictEqual(of("near"), of("far"))
    }).pipe(provided, Effect.provideService(Metric.MetricRegistry, new Map())))

  it("keys that nobody asks for any more leave nothing in memory, while others are asked for", () => {
    let now = 0
    const machines = new Machines(() => now)
    for (const algorithm of ["window", "gcra"] as const) {
      const rule: RateMachine.Rule = { algorithm, limit: 2, per: 1000, burst: 1 }
      const ask = (key: string) => machines.reserve({ key, rule, cost: 1, patience: 0 })
      for (let key = 0; key < 10_000; key++, now++) {
        assert.strictEqual(ask(`customer/${key}`)._tag, "Granted")
        assert.isBelow(machines.size, 4000)
      }
      for (let call = 0; call < 5000; call++, now++) ask("one")
      assert.isAtMost(machines.size, 1)
    }
  })

  it("who keeps a key takes its turns from the same count as all others, also when it was dropped meanwhile", () => {
    let now = 0
    for (const algorithm of ["window", "gcra"] as const) {
      const machines = new Machines(() => now)
      const rule: RateMachine.Rule = { algorithm, limit: 3, per: 1000, burst: 3 }
      const [one, other] = [machines.taking(algorithm, rule), machines.taking(algorithm, rule)]
      for (let round = 0; round < 5; round++) {
        assert.deepStrictEqual([one(1), other(1)], [0, 0])
        assert.strictEqual(machines.reserve({ key: algorithm, rule, cost: 1, patience: 0 })._tag, "Granted")
        assert.isAbove(one(1), 0)
        assert.isAbove(other(1), 0)
        now += 10_000
        // Others are asked for until the key has been looked at and dropped.
        const rest = machines.taking(`rest ${round}`, { ...rule, limit: 1000 })
        for (let call = 0; call < 100; call++, now++) rest(1)
        assert.isAtMost(machines.size, 2)
      }
    }
  })

  it.effect("asks the store no more about what it knows to be refused", () =>
    Effect.gen(function*() {
      let trips = 0
      const api = yield* RateLimiter.make(options).pipe(
        Effect.provideService(RateLimiterStore.RateLimiterStore, {
          backend: "test",
          reserve: () => Effect.sync(() => (trips++, { _tag: "Refused", retryAfter: 500 })),
          refund: () => Effect.void
        })
      )
      for (let call = 0; call < 5; call++) assert.strictEqual(yield* tagOf(api.take()), "RateLimited")
      assert.strictEqual(trips, 1)
      yield* tagOf(api.take({ key: "other" }))
      assert.strictEqual(trips, 2)
      yield* TestClock.adjust(500)
      yield* tagOf(api.take())
      assert.strictEqual(trips, 3)
    }))

  it.effect("a turn goes back once, however often it is given", () =>
    Effect.gen(function*() {
      const api = yield* RateLimiter.make(options)
      const turn = yield* api.reserve()
      yield* api.take()
      yield* turn.refund
      yield* turn.refund
      yield* api.take()
      assert.strictEqual(yield* tagOf(api.take()), "RateLimited")
    }).pipe(provided))

  it.effect("who waits goes in its turn, and who leaves gives the turn to the next", () =>
    Effect.gen(function*() {
      const api = yield* RateLimiter.make({ ...options, limit: 1 })
      const went: Array<string> = []
      const call = (name: string) =>
        Effect.forkChild(api.run()(Effect.sync(() => went.push(name))), { startImmediately: true })
      yield* call("a")
      const b = yield* call("b")
      yield* TestClock.adjust(10)
      yield* Fiber.interrupt(b)
      yield* call("c")
      yield* TestClock.adjust(990)
      assert.deepStrictEqual(went, ["a", "c"])
    }).pipe(provided))

  it.effect("who would wait for too long is refused at once, and takes no turn", () =>
    Effect.gen(function*() {
      const api = yield* RateLimiter.make({ ...options, limit: 1 })
      yield* api.take()
      assert.strictEqual(yield* tagOf(api.reserve({ waitFor: 900 })), "RateLimited")
      assert.strictEqual((yield* api.reserve({ waitFor: 1000 })).wait, 1000)
    }).pipe(provided))

  const broken = Layer.succeed(RateLimiterStore.RateLimiterStore, {
    backend: "test",
    reserve: () => Effect.fail(new Lease.StoreUnavailable({ backend: "test", message: "down" })),
    refund: () => Effect.void
  })

  it.effect("while the store is down it fails, allows, or counts a share alone, as was chosen", () =>
    Effect.gen(function*() {
      const outcomes = (whenDown: RateLimiter.WhenDown) =>
        Effect.flatMap(
          RateLimiter.make({ ...options, limit: 4, whenDown }),
          (api) => Effect.forEach([1, 2, 3], () => tagOf(api.take()))
        )
      assert.deepStrictEqual(yield* outcomes("fail"), Array.from({ length: 3 }, () => "StoreUnavailable"))
      assert.deepStrictEqual(yield* outcomes("allow"), ["went", "went", "went"])
      assert.deepStrictEqual(yield* outcomes({ share: 0.5 }), ["went", "went", "RateLimited"])
    }).pipe(Effect.provide(broken)))

  it.effect("what is fetched and not used goes back with the scope, and is lost when its time is over", () =>
    Effect.gen(function*() {
      const wide = { name: "leased", limit: 10, per: "1 second", batch: 5 } as const
      yield* Effect.scoped(Effect.flatMap(RateLimiter.leased(wide), (api) => api.take()))
      const api = yield* RateLimiter.leased(wide)
      const results = yield* Effect.forEach(Array.from({ length: 10 }), () => tagOf(api.take()))
      assert.deepStrictEqual(results, [...Array.from({ length: 9 }, () => "went"), "RateLimited"])
      yield* TestClock.adjust(1100)
      assert.strictEqual(yield* tagOf(api.take()), "went")
      yield* TestClock.adjust(101)
      const others = yield* Effect.forEach(Array.from({ length: 7 }), () => tagOf(api.take()))
      assert.deepStrictEqual(others, [...Array.from({ length: 5 }, () => "went"), "RateLimited", "RateLimited"])
    }).pipe(Effect.scoped, provided))

  it.effect("options and calls that mean nothing are refused", () =>
    Effect.gen(function*() {
      const wrong = { name: "", limit: 0, per: NaN, burst: 1.5, whenDown: { share: 2 } }
      for (const [field, value] of Object.entries(wrong)) {
        const error = yield* Effect.flip(RateLimiter.make({ ...options, [field]: value }))
        assert.include(error.option, field)
      }
      const api = yield* RateLimiter.make(options)
      for (const call of [{ cost: 3 }, { cost: 0 }, { cost: NaN }, { key: "k".repeat(501) }, { waitFor: -1 }]) {
        assert.strictEqual(yield* tagOf(api.reserve(call)), "InvalidOption")
      }
      assert.strictEqual((yield* Effect.flip(RateLimiter.leased({ ...options, batch: 3 }))).option, "batch")
    }).pipe(Effect.scoped, provided))

  it.effect("tells what it decided", () =>
    Effect.gen(function*() {
      const api = yield* RateLimiter.make(options)
      for (let call = 0; call < 4; call++) yield* tagOf(api.take())
      const counted = (yield* Metric.snapshot).flatMap(({ attributes, id, state }) =>
        id === "heddle_rate_limiter_decisions_total" ? [[attributes?.["decision"], state]] : []
      )
      const counts = Object.fromEntries(counted.map(([decision, state]) => [decision, state]))
      assert.deepInclude(counts["granted"], { count: 2 })
      assert.deepInclude(counts["refused"], { count: 1 })
      assert.deepInclude(counts["remembered"], { count: 1 })
    }).pipe(provided, Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("turns that go back", () => {
  it("do not let two go at once where one may: gcra undoes only the last that waits", () => {
    const machine = new RateMachine.RateMachine({ algorithm: "gcra", limit: 1, per: 1000, burst: 1 })
    const at = (): number => {
      const decision = machine.reserve(0, 1, 1e9)
      return decision._tag === "Granted" ? decision.at : -1
    }
    assert.deepStrictEqual([at(), at(), at()], [0, 1000, 2000])
    machine.refund(1000, 1)
    assert.strictEqual(at(), 3000)
    machine.refund(3000, 1)
    assert.strictEqual(at(), 3000)
  })

  it.effect("are not used by one who waits for a batch as the scope closes", () =>
    Effect.gen(function*() {
      let given = 0
      let back = 0
      const slow = RateLimiterStore.RateLimiterStore.of({
        backend: "slow",
        reserve: ({ cost }) =>
          Effect.as(Effect.andThen(Effect.sleep(5), Effect.sync(() => void (given += cost))), {
            _tag: "Granted",
            at: 0,
            wait: 0
          }),
        refund: ({ cost }) => Effect.andThen(Effect.sync(() => void (back += cost)), Effect.sleep(5))
      })
      const scope = yield* Scope.make()
      const leased = RateLimiter.leased({ name: "api", limit: 100, per: "10 seconds", batch: 10 })
      const limiter = yield* Effect.provideService(
        Scope.provide(leased, scope),
        RateLimiterStore.RateLimiterStore,
        slow
      )
      let went = 0
      const call = Effect.tap(limiter.take(), () => Effect.sync(() => void went++))
      const closing = Effect.andThen(call, Scope.close(scope, Exit.void))
      const fibers = yield* Effect.forEach([closing, call, call], (one) => Effect.forkChild(one))
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(fibers, Fiber.await)
      assert.isAtLeast(back, 1)
      assert.isAtMost(went + back, given)
    }))
})
