import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { TestClock } from "effect/testing"
import { family } from "../src/flow/internal/flowMetrics.ts"

const looms = family("loom", { active: "Looms that run", completed: "Cloths that are done" }, "How long a cloth took")

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

const context = Effect.context<never>()
const shot = Effect.map(
  Metric.snapshot,
  (all) => Object.fromEntries(all.map(({ attributes, id, state }) => [`${id} ${JSON.stringify(attributes)}`, state]))
)

describe("the metrics of flow", () => {
  it.effect("are read from plain numbers when somebody asks", () =>
    fresh(Effect.gen(function*() {
      const { counts, latency } = looms.of(yield* context, {})
      assert.isUndefined(latency)
      counts.active += 2
      counts.completed += 5
      const state = yield* shot
      assert.deepEqual(state["heddle_loom_active {}"], { value: 2 })
      assert.deepEqual(state["heddle_loom_completed_total {}"], { count: 5, incremental: true })
      counts.active -= 2
      assert.deepEqual((yield* shot)["heddle_loom_active {}"], { value: 0 })
    })))

  it.effect("are one series for all that have the same labels, and another for each other label", () =>
    fresh(Effect.gen(function*() {
      const at = yield* context
      looms.of(at, { name: "a" }).counts.completed++
      looms.of(at, { name: "a", shed: undefined }).counts.completed++
      looms.of(at, { name: "b" }).counts.completed++
      const outer = Context.add(at, Metric.CurrentMetricAttributes, { host: "x" })
      looms.of(outer, { name: "a" }).counts.completed++
      const done = Object.entries(yield* shot).filter(([id]) => id.startsWith("heddle_loom_completed_total"))
      assert.deepEqual(done, [
        ["heddle_loom_completed_total {\"name\":\"a\"}", { count: 2, incremental: true }],
        ["heddle_loom_completed_total {\"name\":\"b\"}", { count: 1, incremental: true }],
        ["heddle_loom_completed_total {\"name\":\"a\",\"host\":\"x\"}", { count: 1, incremental: true }]
      ])
    })))

  it.effect("are apart in each registry", () =>
    Effect.gen(function*() {
      const here = yield* fresh(Effect.map(context, (at) => looms.of(at, {}).counts))
      here.active = 7
      const there = yield* fresh(Effect.map(context, (at) => looms.of(at, {}).counts))
      assert.strictEqual(there.active, 0)
    }))

  it.effect("time what has a name, by the caller's clock", () =>
    fresh(Effect.gen(function*() {
      const { latency } = looms.of(yield* context, { name: "a" })
      const began = latency?.now() ?? 0
      yield* TestClock.adjust("3 seconds")
      latency?.took(latency.now() - began)
      const state = (yield* shot)["heddle_loom_latency_seconds {\"name\":\"a\"}"]
      assert.deepInclude(state, { count: 1, sum: 3 })
    })))
})
