import { assert, describe, it } from "@effect/vitest"
import { InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { TestClock } from "effect/testing"
import { Health, Shutdown } from "heddle/lifecycle"

const layer = Layer.provideMerge(Health.layer, Shutdown.layer({ readinessDelay: 50, onReport: () => Effect.void }))

describe("health", () => {
  it.effect("is ready when every part says so, and tells of each that is not why", () =>
    Effect.gen(function*() {
      const { live, ready } = yield* Health.Health
      assert.deepStrictEqual(yield* ready, { ok: true, reasons: [] })
      const db = yield* Health.component("db")
      const cache = yield* Health.component("cache")
      assert.deepStrictEqual((yield* ready).reasons.map(({ reason }) => reason), ["starting", "starting"])
      yield* db.ok
      yield* cache.notReady("cold")
      assert.deepStrictEqual(yield* ready, { ok: false, reasons: [{ component: "cache", reason: "cold" }] })
      assert.deepStrictEqual(yield* live, { ok: true, reasons: [] })
      yield* cache.ok
      yield* db.dead("lost its mind")
      const dead = { ok: false, reasons: [{ component: "db", reason: "lost its mind" }] }
      assert.deepStrictEqual([yield* live, yield* ready], [dead, dead])
      yield* db.ok
      assert.isTrue((yield* ready).ok && (yield* live).ok)
    }).pipe(Effect.provide(layer)))

  it.effect("a part's name is its own until its scope closes, and then the part is forgotten", () =>
    Effect.gen(function*() {
      const { ready } = yield* Health.Health
      const twice = Effect.andThen(Health.component("db"), Health.component("db"))
      assert.strictEqual((yield* Effect.flip(Effect.scoped(twice))).option, "name")
      assert.strictEqual((yield* Effect.flip(Health.component(""))).option, "name")
      assert.isTrue((yield* ready).ok)
      yield* Health.component("db")
      assert.isFalse((yield* ready).ok)
    }).pipe(Effect.provide(layer)))

  it.effect("AC-10.5 is not ready at once when the shutdown begins, and lives to the end", () =>
    Effect.gen(function*() {
      const { live, ready } = yield* Health.Health
      const { begin } = yield* Shutdown.Shutdown
      const seen: Array<readonly [boolean, boolean]> = []
      const look = Effect.gen(function*() {
        seen.push([(yield* ready).ok, (yield* live).ok])
      })
      yield* Shutdown.step({ name: "a", phase: "stop" })(look)
      yield* look
      yield* Effect.forkChild(begin, { startImmediately: true })
      yield* look
      assert.deepStrictEqual((yield* ready).reasons, [{ component: "shutdown", reason: "shutting down" }])
      assert.lengthOf(seen, 2)
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(seen, [[true, true], [false, true], [false, true]])
    }).pipe(Effect.provide(layer)))

  it.live("answers /livez and /readyz", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(layer)
      const web = HttpRouter.toWebHandler(Layer.provide(Health.layerHttp, Layer.succeedContext(context)), {
        disableLogger: true
      })
      yield* Effect.addFinalizer(() => Effect.promise(web.dispose))
      const get = (path: string) =>
        Effect.promise(async () => {
          const response = await web.handler(new Request(`http://heddle${path}`))
          return [response.status, await response.json(), response.headers.get("cache-control")]
        })
      const well = [200, { ok: true, reasons: [] }, "no-store"]
      assert.deepStrictEqual(yield* get("/readyz"), well)
      const db = yield* Effect.provide(Health.component("db"), context)
      yield* db.notReady("no connection")
      const ill = [503, { ok: false, reasons: [{ component: "db", reason: "no connection" }] }, "no-store"]
      assert.deepStrictEqual([yield* get("/readyz"), yield* get("/livez")], [ill, well])
      yield* db.dead("no connection")
      assert.deepStrictEqual(yield* get("/livez"), ill)
    }))

  it.effect("a metric says which part is well, and nothing of a part that is gone", () =>
    Effect.gen(function*() {
      const well = Effect.map(Metric.snapshot, (all) =>
        all.flatMap(({ attributes, id, state }) =>
          id === "heddle_health_component" ? [[attributes?.["component"], state]] : []
        ))
      yield* Health.component("cache")
      const db = yield* Effect.scoped(Effect.gen(function*() {
        const db = yield* Health.component("db")
        assert.deepStrictEqual(yield* well, [["cache", { value: 0 }], ["db", { value: 0 }]])
        yield* db.ok
        assert.deepStrictEqual(yield* well, [["cache", { value: 0 }], ["db", { value: 1 }]])
        return db
      }))
      assert.deepStrictEqual(yield* well, [["cache", { value: 0 }]])
      yield* db.dead("gone already")
      assert.deepStrictEqual(
        (yield* (yield* Health.Health).ready).reasons.map(({ component }) =>
          component
        ),
        ["cache"]
      )
      yield* Health.component("db")
      assert.deepStrictEqual(yield* well, [["cache", { value: 0 }], ["db", { value: 0 }]])
    }).pipe(Effect.provide(layer), Effect.provideService(Metric.MetricRegistry, new Map())))

  it.live("a part that is interrupted at any step is forgotten, and its name is free", () =>
    InterruptSweep.run({
      setup: Layer.build(layer),
      program: (context) => {
        const part = (name: string) =>
          Effect.scoped(Effect.gen(function*() {
            const { notReady, ok } = yield* Health.component(name)
            yield* ok
            yield* Effect.sleep(1)
            yield* notReady("tired")
          }))
        return Effect.provide(Effect.all([part("db"), part("cache")], { concurrency: 2 }), context)
      },
      invariant: (context) =>
        Effect.gen(function*() {
          const { ready } = yield* Health.Health
          assert.deepStrictEqual(yield* ready, { ok: true, reasons: [] })
          yield* Effect.scoped(Effect.andThen(Health.component("db"), Health.component("cache")))
        }).pipe(Effect.provide(context)),
      target: "all"
    }))
})
