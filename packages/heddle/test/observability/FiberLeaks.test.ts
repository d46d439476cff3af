import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { FiberLeaks } from "heddle/observability"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { Growth } from "../../src/observability/internal/growth.ts"

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

const poll = Effect.fn("poll")(function*() {
  return yield* Effect.forkDetach(Effect.never, { startImmediately: true })
})
const quiet = Effect.provideService(References.MinimumLogLevel, "None")
const names = Effect.flatMap(
  FiberLeaks.FiberLeaks,
  ({ fibers }) => Effect.map(fibers, (all) => all.map(({ name }) => name))
)

describe("the living fibers", () => {
  it.effect("are known with name, place, parent, age, and how long they have been still", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const child = Effect.andThen(Deferred.await(go), Effect.never)
      const outer = yield* Effect.forkChild(
        Effect.withSpan(Effect.andThen(Effect.forkChild(Effect.withSpan(child, "inner")), Effect.never), "outer")
      )
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.succeed(go, undefined)
      yield* TestClock.adjust("2 seconds")
      const all = yield* Effect.flatMap(FiberLeaks.FiberLeaks, ({ fibers }) => fibers)
      const [one, other] = ["outer", "inner"].map((name) => all.find((fiber) => fiber.name === name))
      assert.deepInclude(one, { id: outer.id, age: 5000, idle: 5000 })
      assert.deepInclude(other, { parent: outer.id, age: 5000, idle: 2000 })
      assert.isTrue(other?.path.some((frame) => frame.startsWith("outer at ") && frame.includes("FiberLeaks.test.ts")))
      assert.match(
        yield* FiberLeaks.dump,
        /outer#\d+ {2}5 s old, still for 5 s.*\n *inner#\d+ {2}5 s old, still for 2 s/
      )
    }).pipe(Effect.provide(FiberLeaks.layer())))

  it.effect("have their parents, however they were started", () =>
    Effect.gen(function*() {
      const run = (name: string, start: (sleep: Effect.Effect<never>) => Effect.Effect<Fiber.Fiber<never>>) =>
        Effect.andThen(Effect.flatMap(start(Effect.withSpan(Effect.never, name)), () => Effect.never), Effect.void)
      const scope = yield* Effect.scope
      const parent = yield* Effect.forkChild(Effect.all([
        run("child", (sleep) => Effect.forkChild(sleep)),
        run("eager", (sleep) => Effect.forkChild(sleep, { startImmediately: true })),
        run("detached", (sleep) => Effect.forkDetach(sleep)),
        run("scoped", (sleep) => Effect.forkIn(sleep, scope)),
        run("run", (sleep) => Effect.contextWith((context) => Effect.sync(() => Effect.runForkWith(context)(sleep))))
      ], { concurrency: "unbounded" }))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      const all = yield* Effect.flatMap(FiberLeaks.FiberLeaks, ({ fibers }) => fibers)
      const parentOf = (name: string) => {
        const fiber = all.find((one) => one.name === name)
        return all.find(({ id }) => id === fiber?.parent)?.parent
      }
      const started = ["child", "eager", "detached", "scoped", "run"]
      assert.deepEqual(started.map(parentOf), started.map(() => parent.id))
    }).pipe(Effect.provide(FiberLeaks.layer())))

  it.effect("are forgotten when they end, however they end", () =>
    Effect.gen(function*() {
      yield* Effect.yieldNow
      const before = yield* names
      const ends = [Effect.void, Effect.fail("x"), Effect.die("x"), Effect.never]
      const fibers = yield* Effect.forEach(ends, (end) => Effect.forkDetach(end))
      yield* Effect.yieldNow
      yield* Fiber.interruptAll(fibers)
      const late = yield* Effect.forkDetach(Effect.never)
      yield* Fiber.interrupt(late)
      assert.deepEqual(yield* names, before)
    }).pipe(Effect.provide(FiberLeaks.layer())))

  it.live("are not kept alive: what nobody can wake is garbage", () =>
    Effect.gen(function*() {
      const forget = Effect.forkDetach(Effect.withSpan(Effect.callback<never>(() => {}), "garbage"), {
        startImmediately: true
      })
      yield* Effect.asVoid(Effect.replicateEffect(forget, 20))
      const left = Effect.map(names, (all) => all.filter((name) => name === "garbage").length)
      // A reference that was looked at in a turn is kept until its end.
      const collect = Effect.andThen(Effect.sleep(1), Effect.sync(gc))
      yield* Effect.repeat(Effect.andThen(collect, left), { until: (count) => count === 0 })
    }).pipe(Effect.provide(FiberLeaks.layer())))

  it.effect("leave the fiber metrics of others as they are", () =>
    Effect.gen(function*() {
      yield* Effect.provide(Effect.flatMap(Effect.forkDetach(Effect.void), Fiber.await), FiberLeaks.layer())
      const started = (yield* Metric.snapshot).find(({ id }) => id === "child_fibers_started")
      assert.isAbove(started !== undefined && "count" in started.state ? Number(started.state.count) : 0, 0)
    }).pipe(Metric.enableRuntimeMetrics, Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("the alarm", () => {
  const alarmed = (act: Effect.Effect<unknown, never, Scope.Scope | FiberLeaks.FiberLeaks>) =>
    Effect.gen(function*() {
      const { alarms } = yield* FiberLeaks.FiberLeaks
      const heard = yield* Queue.unbounded<FiberLeaks.Alarm>()
      yield* Effect.forkScoped(Stream.runForEach(alarms, (alarm) => Queue.offer(heard, alarm)), {
        startImmediately: true
      })
      yield* act
      return yield* Queue.clear(heard)
    }).pipe(Effect.provide(FiberLeaks.layer()), quiet)

  it.effect("AC-11.2: a slow steady leak of one a second is told, with samples that name it", () =>
    Effect.gen(function*() {
      const leak = Effect.andThen(poll(), TestClock.adjust("1 second"))
      const alarms = yield* alarmed(Effect.repeat(leak, { times: 100 }))
      assert.strictEqual(alarms.length, 1)
      const [alarm] = alarms
      assert.deepEqual(alarm?.counts, alarm?.counts.toSorted((one, other) => one - other))
      assert.deepEqual(alarm?.grown[0]?.name, "poll")
      assert.isAtMost(alarm?.samples.length ?? 11, 10)
      assert.isTrue(alarm?.samples.every(({ path }) => path.some((frame) => frame.includes("FiberLeaks.test.ts"))))
    }))

  it.effect("AC-11.2: a burst that ends is not told, nor are many that come and go", () =>
    Effect.gen(function*() {
      const brief = Effect.forkDetach(Effect.sleep("25 seconds"))
      const burst = Effect.andThen(Effect.replicateEffect(brief, 3000), TestClock.adjust("1 minute"))
      assert.deepEqual(yield* alarmed(burst), [])
      const busy = Effect.repeat(Effect.andThen(Effect.replicateEffect(brief, 9), TestClock.adjust("1 second")), {
        times: 200
      })
      assert.deepEqual(yield* alarmed(busy), [])
    }))

  it.effect("what was there before is not told again and again", () =>
    Effect.gen(function*() {
      const leak = Effect.andThen(poll(), TestClock.adjust("1 second"))
      const stopped = Effect.andThen(Effect.repeat(leak, { times: 100 }), TestClock.adjust("2 minutes"))
      const { length } = yield* alarmed(stopped)
      assert.isAtMost(length, 2)
      assert.strictEqual((yield* alarmed(Effect.andThen(stopped, TestClock.adjust("2 hours")))).length, length)
    }))

  it("knows growth from what goes up and down, and from what stays", () => {
    const told = (counts: ReadonlyArray<number>) => {
      const growth = new Growth({ looks: 4, atLeast: 3 })
      return counts.flatMap((count) => growth.look(count) ?? [])
    }
    assert.deepEqual(told([0, 1, 2, 3, 4]), [0, 1, 2, 3, 4])
    assert.deepEqual(told([0, 1, 1, 2, 3]), [0, 1, 1, 2, 3])
    assert.deepEqual(told([0, 9, 9, 9, 9]), [])
    assert.deepEqual(told([0, 5, 9, 8, 9, 10, 11]), [])
    assert.deepEqual(told([0, 1, 1, 2, 2]), [])
    assert.deepEqual(told([9, 9, 9, 10, 11, 12, 13]), [9, 9, 10, 11, 12])
  })

  it.effect("is refused options that mean nothing", () =>
    Effect.gen(function*() {
      const refused = (options: FiberLeaks.Options) =>
        Effect.map(Effect.flip(Effect.provide(Effect.void, FiberLeaks.layer(options))), ({ option }) => option)
      assert.strictEqual(yield* refused({ interval: 0 }), "interval")
      assert.strictEqual(yield* refused({ olderThan: Infinity }), "olderThan")
      assert.strictEqual(yield* refused({ looks: 1 }), "looks")
      assert.strictEqual(yield* refused({ atLeast: NaN }), "atLeast")
    }))
})

describe("check", () => {
  it.effect("AC-11.1: names the one fiber that is left, and where it was started", () =>
    Effect.gen(function*() {
      const { fibers } = yield* Effect.flip(FiberLeaks.check(poll()))
      assert.strictEqual(fibers.length, 1)
      const lazy = yield* Effect.flip(FiberLeaks.check(Effect.forkDetach(Effect.never)))
      assert.strictEqual(lazy.fibers.length, 1)
      assert.match(fibers[0] ?? "", /^poll#\d+ started by #\d+ .*FiberLeaks\.test\.ts:\d+/)
    }))

  it.effect("AC-11.3: what is forked in a scope, or as a child, does not outlive it", () =>
    FiberLeaks.check(
      Effect.gen(function*() {
        yield* Effect.forkChild(Effect.never)
        yield* Effect.forkScoped(Effect.ensuring(Effect.never, Effect.yieldNow))
        yield* Effect.yieldNow
        return "done"
      }).pipe(Effect.scoped)
    ))

  it.effect("gives back what the effect came to, and its failure before any leak", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* FiberLeaks.check(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(FiberLeaks.check(Effect.andThen(poll(), Effect.fail("x")))), "x")
    }))

  it.live("is right in every interleaving, and interrupts what it runs", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const scope = yield* Scope.make()
        const tidy = Effect.gen(function*() {
          const one = yield* Effect.forkIn(Effect.never, scope)
          yield* Effect.forkChild(Effect.yieldNow)
          yield* Fiber.interrupt(one)
        })
        yield* FiberLeaks.check(tidy)
        const left = yield* Effect.flip(FiberLeaks.check(Effect.andThen(
          tidy,
          Effect.forkIn(Effect.never, scope, {
            startImmediately: true
          })
        )))
        if (left._tag !== "FibersLeft" || left.fibers.length !== 1) return yield* Effect.die(left)
        yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      })
      yield* Explore.run(program, { runs: 500 })
      const report = yield* InterruptSweep.run({
        setup: Effect.sync(() => ({ running: 0 })),
        program: (world) =>
          FiberLeaks.check(Effect.acquireUseRelease(
            Effect.sync(() => world.running++),
            () => Effect.yieldNow,
            () => Effect.sync(() => void world.running--)
          )),
        invariant: ({ running }) => running === 0 ? Effect.void : Effect.die("it runs on")
      })
      assert.isAbove(report.points, 5)
    }))
})
