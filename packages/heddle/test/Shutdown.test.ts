import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Runtime from "effect/Runtime"
import { TestClock } from "effect/testing"
import { WorkerPool } from "heddle/flow"
import { Shutdown, ShutdownReport, Signals } from "heddle/lifecycle"

const quiet = (options?: Shutdown.Options) => Shutdown.layer({ onReport: () => Effect.void, ...options })

/** What happened, and steps that write it down. */
const scene = () => {
  const log: Array<string> = []
  const say = (text: string) => Effect.sync(() => log.push(text))
  const lasting = (name: string, millis: number) =>
    say(`${name} begins`).pipe(Effect.andThen(Effect.sleep(millis)), Effect.andThen(say(`${name} ends`)))
  return { log, say, lasting }
}

const begin = Shutdown.Shutdown.use(({ begin }) => begin)

/** The report, when as much time has gone by. */
const ended = (millis: number) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(begin, { startImmediately: true })
    yield* TestClock.adjust(millis)
    return yield* Fiber.join(fiber)
  })

const outcomes = ({ steps }: ShutdownReport.ShutdownReport) => steps.map(({ name, outcome }) => [name, outcome._tag])

/** Signals by hand. */
const wires = () => {
  const heard = new Set<(signal: Signals.Signal) => void>()
  return {
    listeners: heard,
    send: (signal: Signals.Signal) => Effect.sync(() => heard.forEach((hear) => hear(signal))),
    layer: Layer.succeed(Signals.Signals, (hear) => {
      heard.add(hear)
      return () => heard.delete(hear)
    })
  }
}

const codeOf = (exit: Exit.Exit<unknown, unknown>, teardown: Runtime.Teardown) => {
  let code = -1
  teardown(exit, (it) => code = it)
  return code
}

describe("a shutdown", () => {
  it.effect("AC-10.1 runs phase after phase, steps of one phase at the same time, and those that name others after them", () =>
    Effect.gen(function*() {
      const { lasting, log } = scene()
      yield* Shutdown.step({ name: "db", phase: "close" })(lasting("db", 1))
      yield* Shutdown.step({ name: "cache", phase: "close", before: ["db"] })(lasting("cache", 1))
      yield* Shutdown.step({ name: "leases", phase: "release" })(lasting("leases", 1))
      yield* Shutdown.step({ name: "a", phase: "drain" })(lasting("a", 5))
      yield* Shutdown.step({ name: "b", phase: "drain" })(lasting("b", 3))
      yield* Shutdown.step({ name: "c", phase: "drain", after: ["b"] })(lasting("c", 1))
      yield* Shutdown.step({ name: "http", phase: "stop" })(lasting("http", 1))
      const report = yield* ended(100)
      const both = (name: string) => [`${name} begins`, `${name} ends`]
      assert.deepStrictEqual(log, [
        ...both("http"),
        "a begins",
        ...both("b"),
        ...both("c"),
        "a ends",
        ...both("leases"),
        ...both("cache"),
        ...both("db")
      ])
      assert.isTrue(report.clean)
      assert.strictEqual(report.millis, 1 + 5 + 1 + 2)
      assert.deepStrictEqual(report.steps.map(({ millis, name }) => [name, millis]), [
        ["http", 1],
        ["b", 3],
        ["c", 1],
        ["a", 5],
        ["leases", 1],
        ["cache", 1],
        ["db", 1]
      ])
    }).pipe(Effect.provide(quiet())))

  it.effect("a step that names none, that is there already, or that would wait for itself is refused, and the others stay", () =>
    Effect.gen(function*() {
      const put = (options: Shutdown.StepOptions) => Shutdown.step(options)(Effect.void)
      const refused = (options: Shutdown.StepOptions) =>
        put(options).pipe(Effect.flip, Effect.map((error) => error._tag === "InvalidStep" ? error : undefined))
      yield* put({ name: "b", phase: "drain" })
      yield* put({ name: "a", phase: "drain", after: ["b"] })
      yield* put({ name: "db", phase: "close" })
      const wrong: ReadonlyArray<Shutdown.StepOptions> = [
        { name: "a", phase: "drain" },
        { name: "c", phase: "drain", after: ["nobody"] },
        { name: "c", phase: "drain", after: ["c"] },
        { name: "c", phase: "drain", after: ["a"], before: ["b"] },
        { name: "c", phase: "drain", after: ["a"], before: ["a"] },
        { name: "c", phase: "drain", after: ["db"] },
        { name: "c", phase: "close", before: ["a"] }
      ]
      const reasons = yield* Effect.forEach(wrong, refused)
      assert.deepStrictEqual(reasons.map((error) => [error?.reason, error?.names.join(" ")]), [
        ["duplicate", "a"],
        ["unknown", "nobody"],
        ["cycle", "c c"],
        ["cycle", "c a b c"],
        ["cycle", "c a c"],
        ["cycle", "c db c"],
        ["cycle", "c a c"]
      ])
      assert.strictEqual(reasons[3]?.message, "the step c would wait for itself: c → a → b → c")
      yield* put({ name: "c", phase: "drain", after: ["b"], before: ["a"] })
      assert.deepStrictEqual((yield* begin).steps.map(({ name }) => name), ["b", "c", "a", "db"])
    }).pipe(Effect.provide(quiet())))

  it.effect("options that cannot mean anything are refused before anything starts", () =>
    Effect.gen(function*() {
      const option = (options: Shutdown.Options) =>
        Effect.flip(Effect.scoped(Layer.build(Shutdown.layer(options)))).pipe(Effect.map((error) => error.option))
      assert.deepStrictEqual(
        yield* Effect.all([
          option({ timeout: 0 }),
          option({ timeout: Infinity }),
          option({ readinessDelay: -1 }),
          option({ hurryFor: NaN }),
          option({ timeout: "5 seconds", readinessDelay: "5 seconds" })
        ]),
        ["timeout", "timeout", "readinessDelay", "hurryFor", "readinessDelay"]
      )
      const stepOption = (options: Partial<Shutdown.StepOptions>) =>
        Effect.flip(Shutdown.step({ name: "a", phase: "stop", ...options })(Effect.void)).pipe(
          Effect.map((error) => error._tag === "InvalidOption" ? error.option : error._tag)
        )
      assert.deepStrictEqual(
        yield* Effect.all([stepOption({ name: "" }), stepOption({ timeout: 0 }), stepOption({ timeout: Infinity })]),
        ["name", "timeout", "timeout"]
      )
    }).pipe(Effect.provide(quiet())))

  it.effect("AC-10.2 happens once, however many ask, and all get the same report", () =>
    Effect.gen(function*() {
      let runs = 0
      yield* Shutdown.step({ name: "a", phase: "stop" })(Effect.andThen(Effect.sleep(5), Effect.sync(() => ++runs)))
      const { report } = yield* Shutdown.Shutdown
      const asking = yield* Effect.forkChild(
        Effect.all([report, begin, begin, Effect.timeoutOption(begin, 1)], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust(10)
      const [one, two, three] = yield* Fiber.join(asking)
      assert.strictEqual(runs, 1)
      assert.isTrue(one === two && two === three && one === (yield* begin))
      assert.deepStrictEqual(one.steps[0]?.outcome, { _tag: "Finished", value: 1 })
    }).pipe(Effect.provide(quiet())))

  it.effect("AC-10.3 names each step that failed, died or timed out and what it held; the others run all the same", () =>
    Effect.gen(function*() {
      const { log, say } = scene()
      const drain = (name: string, work: Effect.Effect<unknown, string>, timeout = 10) =>
        Shutdown.step({ name, phase: "drain", timeout, holds: Effect.succeed(`7 of ${name}`) })(work)
      yield* drain("fails", Effect.fail("no"))
      yield* drain("dies", Effect.die("oh"))
      yield* drain("throws", Effect.sync(() => assert.fail("thrown")))
      yield* drain("slow", Effect.onInterrupt(Effect.never, () => say("slow interrupted")))
      yield* drain("stuck", Effect.uninterruptible(Effect.never), 20)
      yield* Shutdown.step({ name: "db", phase: "close" })(say("db closed"))
      const report = yield* ended(60_000)
      assert.deepStrictEqual(report.steps.map(({ name, outcome }) => ({ name, ...outcome, cause: undefined })), [
        { name: "fails", _tag: "Failed", cause: undefined },
        { name: "dies", _tag: "Failed", cause: undefined },
        { name: "throws", _tag: "Failed", cause: undefined },
        { name: "slow", _tag: "TimedOut", held: "7 of slow", left: false, cause: undefined },
        { name: "stuck", _tag: "TimedOut", held: "7 of stuck", left: true, cause: undefined },
        { name: "db", _tag: "Finished", value: 2, cause: undefined }
      ])
      assert.deepStrictEqual(log, ["slow interrupted", "db closed"])
      assert.deepStrictEqual([report.clean, report.exitCode], [false, 1])
      assert.strictEqual(report.millis, 20 + 1_000)
      assert.strictEqual(
        ShutdownReport.format(report),
        [
          "shutdown by asked, not clean, 1020 ms",
          "  drain fails: failed: Error: no, 0 ms",
          "  drain dies: failed: Error: oh, 0 ms",
          "  drain throws: failed: AssertionError: thrown, 0 ms",
          "  drain slow: timed out, held 7 of slow, 10 ms",
          "  drain stuck: timed out, left behind, held 7 of stuck, 1020 ms",
          "  close db: finished, 0 ms"
        ].join("\n")
      )
    }).pipe(Effect.provide(quiet())))

  it.effect("what a step holds is asked before it is interrupted, and a question without an answer holds nothing up", () =>
    Effect.gen(function*() {
      let tasks = 3
      const work = Effect.onInterrupt(Effect.never, () => Effect.sync(() => tasks = 0))
      yield* Shutdown.step({ name: "a", phase: "drain", holds: Effect.sync(() => `${tasks} tasks`) })(work)
      yield* Shutdown.step({ name: "b", phase: "drain", holds: Effect.never })(Effect.never)
      const { steps } = yield* ended(20_000)
      assert.deepStrictEqual(steps.map(({ millis, outcome }) => [millis, outcome]), [
        [10_000, { _tag: "TimedOut", held: "3 tasks", left: false }],
        [10_000, { _tag: "TimedOut", held: undefined, left: false }]
      ])
    }).pipe(Effect.provide(quiet())))

  it.effect("ends when the time for all is over, and says which steps had none left", () =>
    Effect.gen(function*() {
      yield* Shutdown.step({ name: "stuck", phase: "stop", timeout: "1 hour" })(Effect.uninterruptible(Effect.never))
      yield* Shutdown.step({ name: "pool", phase: "drain" })(Effect.void)
      const report = yield* ended(60_000)
      assert.deepStrictEqual(outcomes(report), [["stuck", "TimedOut"], ["pool", "Skipped"]])
      assert.deepStrictEqual(report.steps[1]?.outcome, { _tag: "Skipped", because: "time" })
      assert.strictEqual(report.millis, 5_100)
    }).pipe(Effect.provide(quiet({ timeout: "5 seconds" }))))

  it.effect("a step of a scope that closed does not run; a scope waits for its step that runs; none comes after the beginning", () =>
    Effect.gen(function*() {
      const { lasting, log, say } = scene()
      const hold = yield* Deferred.make<void>()
      yield* Effect.scoped(Shutdown.step({ name: "early", phase: "stop" })(say("early")))
      const scope = yield* Effect.forkChild(
        Effect.scoped(Effect.andThen(
          Effect.all([
            Shutdown.step({ name: "runs", phase: "stop" })(lasting("runs", 10)),
            Shutdown.step({ name: "late", phase: "drain" })(say("late"))
          ]),
          Deferred.await(hold)
        )).pipe(Effect.andThen(say("scope closed"))),
        { startImmediately: true }
      )
      yield* Shutdown.step({ name: "after", phase: "drain", after: ["late"] })(say("after"))
      const asked = yield* Effect.forkChild(begin, { startImmediately: true })
      yield* TestClock.adjust(1)
      yield* Deferred.succeed(hold, undefined)
      assert.strictEqual(
        (yield* Effect.flip(Shutdown.step({ name: "new", phase: "close" })(Effect.void)))._tag,
        "ShuttingDown"
      )
      yield* TestClock.adjust(20)
      yield* Fiber.join(scope)
      assert.deepStrictEqual(outcomes(yield* Fiber.join(asked)), [
        ["runs", "Finished"],
        ["late", "Skipped"],
        ["after", "Finished"]
      ])
      assert.deepStrictEqual(log.slice(0, 2), ["runs begins", "runs ends"])
      assert.sameMembers(log.slice(2), ["after", "scope closed"])
    }).pipe(Effect.provide(quiet())))

  it.effect("a layer is closed by its step, in its time; a finalizer that hangs is left behind", () =>
    Effect.gen(function*() {
      const { log, say } = scene()
      const closes = (name: string, finalizer: Effect.Effect<unknown>) =>
        Shutdown.closing({ name, phase: "close", timeout: 50 })(
          Layer.effectDiscard(Effect.addFinalizer(() => finalizer))
        )
      yield* Layer.build(closes("db", say("db closed")))
      yield* Layer.build(closes("stuck", Effect.never))
      assert.deepStrictEqual(outcomes(yield* ended(5_000)), [["db", "Finished"], ["stuck", "TimedOut"]])
      assert.deepStrictEqual(log, ["db closed"])
    }).pipe(Effect.scoped, Effect.provide(quiet())))

  it.effect("AC-10.6 jobs accepted before it all run if time allows, and are counted if not", () =>
    Effect.gen(function*() {
      const jobs = (drainFor: number) =>
        Effect.gen(function*() {
          const pool = yield* WorkerPool.make({ size: 2 })
          let done = 0
          const job = Effect.andThen(Effect.sleep(100), Effect.sync(() => done++))
          yield* Effect.forEach(Array.from({ length: 10 }), () =>
            Effect.forkChild(pool.submit(job), { startImmediately: true }))
          yield* Shutdown.step({ name: "pool", phase: "drain" })(Effect.flatMap(pool.shutdown(drainFor), (report) =>
            report.notRun + report.cut + report.running > 0 ? Effect.fail(report) : Effect.succeed(report)))
          const report = yield* ended(20_000)
          const outcome = report.steps[0]?.outcome
          const told = outcome?._tag === "Failed" ? Cause.squash(outcome.cause) : outcome
          return { done, exitCode: report.exitCode, clean: report.clean, told }
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(quiet())))
      const all = yield* jobs(5_000)
      assert.deepInclude(all, { done: 10, exitCode: 0, clean: true })
      assert.deepNestedInclude(all, { "told.value.completed": 10, "told.value.notRun": 0 })
      const some = yield* jobs(250)
      assert.deepInclude(some, { done: 4, exitCode: 1, clean: false })
      assert.deepNestedInclude(some, { "told.completed": 4, "told.cut": 2, "told.notRun": 4 })
    }))

  it.effect("counts its steps by how they ended", () =>
    Effect.gen(function*() {
      yield* Shutdown.step({ name: "good", phase: "stop" })(Effect.void)
      yield* Shutdown.step({ name: "bad", phase: "stop" })(Effect.fail("no"))
      yield* begin
      const of = (id: string, outcome: string) =>
        Effect.map(Metric.snapshot, (all) =>
          all.find((one) =>
            one.id === "heddle_shutdown_steps_total" && one.attributes?.["step"] === id &&
            one.attributes["outcome"] === outcome
          )?.state)
      assert.deepStrictEqual(yield* of("good", "Finished"), { count: 1, incremental: true })
      assert.deepStrictEqual(yield* of("bad", "Failed"), { count: 1, incremental: true })
      assert.deepStrictEqual(yield* of("bad", "Finished"), { count: 0, incremental: true })
    }).pipe(Effect.provide(quiet()), Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("a program that is run", () => {
  it.effect("AC-10.1 gives back what it has in reverse order, each when the one before has ended, and after the steps", () =>
    Effect.gen(function*() {
      const { lasting, log } = scene()
      const wire = wires()
      const part = (name: string) => Effect.addFinalizer(() => lasting(name, 5))
      const app = Effect.gen(function*() {
        yield* part("db")
        yield* part("pool")
        yield* Shutdown.step({ name: "drain", phase: "drain" })(lasting("drain", 5))
        yield* part("http")
        return yield* Effect.never
      })
      const main = Effect.scoped(app).pipe(Shutdown.run, Effect.provide([Layer.fresh(quiet()), wire.layer]))
      const fiber = yield* Effect.forkChild(main, { startImmediately: true })
      yield* TestClock.adjust(1)
      yield* wire.send("SIGTERM")
      yield* TestClock.adjust(100)
      yield* Fiber.await(fiber)
      assert.deepStrictEqual(log, ["drain", "http", "pool", "db"].flatMap((name) => [`${name} begins`, `${name} ends`]))
    }))

  /** Two steps and a program with a finalizer, and what to do while it runs. */
  const play = <A>(
    act: (wire: ReturnType<typeof wires>, fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<A>,
    { drain = Effect.void, options }: { drain?: Effect.Effect<unknown>; options?: Shutdown.Options } = {}
  ) =>
    Effect.gen(function*() {
      const wire = wires()
      const { log, say } = scene()
      const app = Effect.gen(function*() {
        yield* Effect.addFinalizer(() => say("program closed"))
        yield* Shutdown.step({ name: "leases", phase: "release" })(say("leases free"))
        yield* Shutdown.step({ name: "pool", phase: "drain" })(drain)
        yield* Shutdown.step({ name: "late", phase: "drain", after: ["pool"] })(say("late"))
        return yield* Effect.never
      })
      let report: ShutdownReport.ShutdownReport | undefined
      const onReport = (it: ShutdownReport.ShutdownReport) => Effect.sync(() => report = it)
      const main = Effect.scoped(app).pipe(
        Shutdown.run,
        Effect.provide(Layer.fresh(quiet({ onReport, ...options }))),
        Effect.provide(wire.layer)
      )
      const fiber = yield* Effect.forkChild(main, { startImmediately: true })
      yield* TestClock.adjust(1)
      assert.strictEqual(wire.listeners.size, 1)
      yield* act(wire, fiber)
      yield* TestClock.adjust(60_000)
      const exit = yield* Fiber.await(fiber)
      assert.strictEqual(wire.listeners.size, 0)
      return { exit, log, report, code: codeOf(exit, Shutdown.teardown) }
    })

  it.effect("ends with the code of the signal that it had, its steps and its finalizers run", () =>
    Effect.gen(function*() {
      for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
        const end = yield* play(({ send }) => send(signal))
        assert.deepStrictEqual(end.log, ["late", "leases free", "program closed"])
        assert.deepStrictEqual([end.code, codeOf(end.exit, Runtime.defaultTeardown)], [code, code])
        assert.deepStrictEqual([end.report?.reason, end.report?.clean], [signal, true])
      }
    }))

  it.effect("ends with that code also where runMain interrupts it by the same signal, first or last", () =>
    Effect.gen(function*() {
      const first = yield* play((wire, fiber) =>
        Effect.andThen(Effect.sync(() => fiber.interruptUnsafe(fiber.id)), wire.send("SIGTERM"))
      )
      const last = yield* play((wire, fiber) =>
        Effect.andThen(wire.send("SIGTERM"), Effect.sync(() => fiber.interruptUnsafe(fiber.id)))
      )
      for (const end of [first, last]) {
        assert.deepStrictEqual(end.log, ["late", "leases free", "program closed"])
        assert.deepStrictEqual([end.code, end.report?.reason, end.report?.clean], [143, "SIGTERM", true])
        assert.isTrue(Exit.hasInterrupts(end.exit))
      }
      const alone = yield* play((_, fiber) => Effect.sync(() => fiber.interruptUnsafe(fiber.id)))
      assert.deepStrictEqual([alone.code, alone.report?.reason], [130, "interrupted"])
    }))

  it.effect("AC-10.3 ends with 1 where a step does not end; it is named and does not keep the process", () =>
    Effect.gen(function*() {
      const { code, log, report } = yield* play(({ send }) => send("SIGTERM"), {
        drain: Effect.uninterruptible(Effect.never)
      })
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(log, ["late", "leases free", "program closed"])
      assert.deepStrictEqual(report?.steps[0]?.outcome, { _tag: "TimedOut", held: undefined, left: true })
    }))

  it.effect("AC-10.4 a second signal cuts what runs, passes over what drains, and still gives the leases back", () =>
    Effect.gen(function*() {
      const twice = ({ send }: ReturnType<typeof wires>) =>
        Effect.gen(function*() {
          yield* send("SIGTERM")
          yield* TestClock.adjust(10)
          yield* send("SIGINT")
        })
      const { code, log, report } = yield* play(twice, { drain: Effect.never })
      assert.deepStrictEqual(log, ["leases free", "program closed"])
      assert.deepStrictEqual([code, report?.reason, report?.signals, report?.millis], [
        1,
        "SIGTERM",
        ["SIGTERM", "SIGINT"],
        10
      ])
      assert.deepStrictEqual(report?.steps.map(({ outcome }) => outcome), [
        { _tag: "Cut", held: undefined, left: false },
        { _tag: "Skipped", because: "hurry" },
        { _tag: "Finished", value: 1 },
        { _tag: "Finished", value: undefined }
      ])
      const stuck = yield* play(twice, { drain: Effect.uninterruptible(Effect.never) })
      assert.deepStrictEqual(stuck.report?.steps[0]?.outcome, { _tag: "Cut", held: undefined, left: true })
      assert.strictEqual(stuck.code, 1)
    }))

  it.effect("AC-10.4 a third signal leaves nothing, and a second one also ends the delay for load balancers", () =>
    Effect.gen(function*() {
      const many = (signals: number) => ({ send }: ReturnType<typeof wires>) =>
        Effect.forEach(Array.from({ length: signals }), () => Effect.andThen(send("SIGINT"), TestClock.adjust(1)))
      const third = yield* play(many(3), { drain: Effect.uninterruptible(Effect.never) })
      assert.deepStrictEqual(third.report?.steps.map(({ outcome }) => outcome._tag), [
        "Cut",
        "Skipped",
        "Skipped",
        "Finished"
      ])
      const second = yield* play(many(2), { options: { readinessDelay: "20 seconds" } })
      assert.deepStrictEqual(second.log, ["leases free", "program closed"])
      assert.strictEqual(second.report?.millis, 1)
    }))

  it.effect("that ends, fails, or asks by itself comes to what it came to", () =>
    Effect.gen(function*() {
      const wire = wires()
      const of = <A, E>(app: Effect.Effect<A, E, Shutdown.Shutdown>) =>
        Effect.exit(Effect.provide(Shutdown.run(app), [Layer.fresh(quiet()), wire.layer]))
      assert.deepStrictEqual(yield* of(Effect.succeed(7)), Exit.succeed(7))
      assert.deepStrictEqual(yield* of(Effect.fail("no")), Exit.fail("no"))
      const asks = yield* of(Effect.andThen(begin, Effect.never))
      assert.strictEqual(codeOf(asks, Shutdown.teardown), 0)
      assert.strictEqual(wire.listeners.size, 0)
    }))

  it.effect("its finalizers are the last step: one that fails or hangs is in the report", () =>
    Effect.gen(function*() {
      const of = (finalizer: Effect.Effect<unknown>) =>
        Effect.gen(function*() {
          const app = Effect.andThen(Effect.addFinalizer(() => finalizer), Effect.andThen(begin, Effect.never))
          const main = Shutdown.run(Effect.scoped(app)).pipe(Effect.provide(Layer.fresh(quiet({ timeout: 500 }))))
          const fiber = yield* Effect.forkChild(Effect.flip(main), { startImmediately: true })
          yield* TestClock.adjust(60_000)
          const stopped = yield* Fiber.join(fiber)
          if (stopped._tag !== "Stopped") return stopped
          assert.strictEqual(stopped[Runtime.errorExitCode], 1)
          return stopped.report.steps.map(({ name, outcome, phase }) => [phase, name, outcome._tag])
        }).pipe(Effect.provide(wires().layer))
      assert.deepStrictEqual(yield* of(Effect.never), [["end", "the program", "TimedOut"]])
      assert.deepStrictEqual(yield* of(Effect.die("oh")), [["end", "the program", "Failed"]])
    }))

  it.effect("closes to its end when a signal comes while it closes, and that is clean", () =>
    Effect.gen(function*() {
      const wire = wires()
      const app = Effect.andThen(Effect.addFinalizer(() => Effect.sleep(50)), Effect.never)
      const fiber = yield* Effect.forkChild(
        Effect.scoped(app).pipe(Shutdown.run, Effect.provide([quiet(), wire.layer])),
        { startImmediately: true }
      )
      yield* wire.send("SIGTERM")
      yield* TestClock.adjust(10)
      yield* wire.send("SIGTERM")
      yield* TestClock.adjust(100)
      assert.strictEqual(codeOf(yield* Fiber.await(fiber), Shutdown.teardown), 143)
    }))

  it.effect("does not begin where the shutdown has", () =>
    Effect.gen(function*() {
      const { log, say } = scene()
      yield* begin
      yield* Effect.andThen(say("begins"), Effect.never).pipe(Shutdown.run)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(log, [])
    }).pipe(Effect.provide([quiet(), wires().layer])))

  it.effect("that is still being built when the signal comes gives up, and that is no failure", () =>
    Effect.gen(function*() {
      const wire = wires()
      const app = Effect.gen(function*() {
        yield* Effect.sleep(10)
        yield* Shutdown.step({ name: "late", phase: "stop" })(Effect.void)
        return yield* Effect.never
      })
      const delayed = quiet({ readinessDelay: 20 })
      const main = Effect.scoped(app).pipe(Shutdown.run, Effect.provide([delayed, wire.layer]))
      const fiber = yield* Effect.forkChild(main, { startImmediately: true })
      yield* TestClock.adjust(1)
      yield* wire.send("SIGTERM")
      yield* TestClock.adjust(100)
      const exit = yield* Fiber.await(fiber)
      assert.strictEqual(codeOf(exit, Shutdown.teardown), 143)
    }))
})
