import { assert, it, layer } from "@effect/vitest"
import { rateLimiterLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { RateLimiterStore, RateMachine } from "heddle/resilience"
import { inject } from "vitest"
import { Redis, RedisRateLimiterStore } from "../src/index.ts"
import { rateScriptWith } from "../src/internal/rateScript.ts"

const url = inject("redisUrl")

rateLimiterLaws("redis", RedisRateLimiterStore.layer({ url }), { shared: true })

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const Step = Schema.Struct({
  pass: Schema.Literals([0, 1, 1, 7, 60, 500]),
  cost: int(1, 3),
  patience: Schema.Literals([0, 0, 50, 1000]),
  back: Schema.Literals([false, false, true])
})
const script = rateScriptWith("local micros = tonumber(ARGV[#ARGV])")
let keys = 0

class Server extends Context.Service<Server, Redis.Redis["Service"]>()("test/Server") {
  static readonly layer = Layer.provide(Layer.effect(Server, Redis.Redis), Redis.layer({ url }))
}

layer(Server.layer)("the script of rate limits", (test) => {
  const rules = [["window", 5, 1], ["window", 50, 10], ["gcra", 5, 1]] as const
  for (const [algorithm, limit, scale] of rules) {
    test.effect.prop(
      `decides as the machine does: ${algorithm}, ${limit}`,
      [Schema.Array(Step).check(Schema.isMinLength(4), Schema.isMaxLength(25))],
      ([steps]) =>
        Effect.gen(function*() {
          const { commands } = yield* Server
          const burst = 3 * scale
          const rule: RateMachine.Rule = { algorithm, limit, per: 100, burst }
          const machine = new RateMachine.RateMachine(rule)
          const key = `heddle:test:rate:${++keys}`
          let now = 1_800_000_000_000
          for (const { back, cost: times, pass, patience } of steps) {
            const cost = times * scale
            now += pass
            // The clock is the test's own, but an idle key would go by the server's.
            const call = (...args: ReadonlyArray<string | number>) =>
              Effect.promise(async () => {
                const reply = commands.call("eval", [script.lua, 1, key, ...args, now * 1000])
                await commands.persist(key)
                return reply
              })
            const reply = yield* call("reserve", algorithm, limit, 100, burst, cost, patience)
            const [granted, one, two] = Array.isArray(reply) ? reply : []
            const mine = machine.reserve(now, cost, patience)
            const shown = mine._tag === "Granted"
              ? [1, mine.at.toFixed(3), mine.wait.toFixed(3)]
              : [0, mine.retryAfter.toFixed(3), undefined]
            assert.deepStrictEqual([granted, one, two], shown)
            if (back && mine._tag === "Granted") {
              machine.refund(mine.at, scale)
              yield* call("refund", algorithm, limit, 100, scale, mine.at.toFixed(3), burst)
            }
          }
        }),
      { arbitrary: { runs: 200 }, timeout: 60_000 }
    )
  }
})

it.live("the burst of an even rate is whole, whatever time it is", () =>
  Effect.gen(function*() {
    const { commands } = yield* Redis.Redis
    const key = `heddle:test:rate:burst:${++keys}`
    for (let round = 0; round < 50; round++) {
      const micros = 1_800_000_000_000_000 + round * 10_012_345
      const take = [script.lua, 1, key, "reserve", "gcra", 6, 1000, 6, 1, 0, micros]
      const all = yield* Effect.promise(() => Promise.all([1, 2, 3, 4, 5, 6, 7].map(() => commands.call("eval", take))))
      assert.deepStrictEqual(all.map((reply) => Array.isArray(reply) && reply[0] === 1), [
        ...Array.from({ length: 6 }, () => true),
        false
      ])
    }
  }).pipe(Effect.provide(Redis.layer({ url }))))

it.live("a window keeps a small number of entries, however many go", () =>
  Effect.gen(function*() {
    const { commands } = yield* Redis.Redis
    const key = `heddle:test:rate:small:${++keys}`
    for (let step = 0; step < 600; step++) {
      const micros = (1_800_000_000_000 + step) * 1000
      const reserve = [script.lua, 1, key, "reserve", "window", 5000, 320, 5000, 1, 0, micros]
      yield* Effect.promise(() => commands.call("eval", reserve))
    }
    const entries = yield* Effect.promise(() => commands.call("llen", [key]))
    assert.isAtMost(Number(entries), 33)
    assert.isAbove(Number(entries), 30)
  }).pipe(Effect.provide(Redis.layer({ url }))))

it.live(
  "AC-E4 over three nodes no window of the server's clock has more than the limit, and who is refused is let go as soon as it was told",
  () =>
    Effect.gen(function*() {
      const stores = yield* Effect.forEach([1, 2, 3], () =>
        Effect.map(
          Layer.build(Layer.fresh(RedisRateLimiterStore.layer({ url }))),
          Context.get(RateLimiterStore.RateLimiterStore)
        ))
      const key = `ac-e4:${++keys}:${process.pid}`
      const rule: RateMachine.Rule = { algorithm: "window", limit: 40, per: 200, burst: 40 }
      const grants: Array<number> = []
      let told = 0
      const node = (store: (typeof stores)[number]) =>
        Effect.gen(function*() {
          for (let call = 0; call < 100; call++) {
            const decision = yield* store.reserve({ key, rule, cost: 1, patience: 0 })
            if (decision._tag === "Granted") {
              grants.push(decision.at)
              continue
            }
            told++
            assert.isAbove(decision.retryAfter, 0)
            assert.isAtMost(decision.retryAfter, 200)
            yield* Effect.sleep(Math.ceil(decision.retryAfter))
          }
        })
      yield* Effect.forEach(stores, node, { concurrency: "unbounded" })
      const most = Math.max(...grants.map((at) => grants.filter((other) => other > at - 200 && other <= at).length))
      assert.isAtMost(most, 40)
      assert.isAbove(grants.length, 80)
      assert.isAbove(told, 3)
      // Nobody else asks any more: what one store granted, another one waits for, and not for longer than it was told.
      const [one, other] = stores
      if (one === undefined || other === undefined) return yield* Effect.die("no stores")
      const ask = (store: typeof one) => store.reserve({ key: `${key}:alone`, rule, cost: 40, patience: 0 })
      assert.strictEqual((yield* ask(one))._tag, "Granted")
      const refused = yield* ask(other)
      if (refused._tag === "Granted") return yield* Effect.die("more than the limit went")
      yield* Effect.sleep(Math.ceil(refused.retryAfter))
      assert.strictEqual((yield* ask(other))._tag, "Granted")
    }).pipe(Effect.scoped),
  120_000
)

it.live("AC-E4 a limit that nobody asks any more leaves nothing on the server", () =>
  Effect.gen(function*() {
    const { commands } = yield* Redis.Redis
    const store = yield* Effect.map(Layer.build(RedisRateLimiterStore.layerFrom({ prefix: "gone" })), (context) =>
      Context.get(context, RateLimiterStore.RateLimiterStore))
    for (const algorithm of ["window", "gcra"] as const) {
      yield* store.reserve({ key: algorithm, rule: { algorithm, limit: 5, per: 200, burst: 3 }, cost: 1, patience: 0 })
    }
    const left = Effect.promise(() =>
      commands.call("keys", ["gone:*"])
    )
    yield* Effect.repeat(left, { until: (keys) => Array.isArray(keys) && keys.length === 0, times: 2000 })
  }).pipe(Effect.provide(Redis.layer({ url })), Effect.scoped))
