import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Shutdown, type ShutdownReport, Signals } from "heddle/lifecycle"

const phases = ["stop", "drain", "release", "close"] as const

/** Signals by hand, and a count of who listens. */
class Wire {
  readonly hears = new Set<(signal: Signals.Signal) => void>()
  readonly send = (signal: Signals.Signal) => Effect.sync(() => this.hears.forEach((hear) => hear(signal)))
  readonly layer = Layer.succeed(Signals.Signals, (hear) => {
    this.hears.add(hear)
    return () => this.hears.delete(hear)
  })
}

/** What each step did, as it saw it. */
class Ledger {
  readonly runs = new Map<string, "runs" | "done" | "failed" | "interrupted">()
  private readonly open = new Map<string, number>()

  /** Waits, yields, fails or hangs, as chance has it; dies where a step runs twice or before its phase. */
  readonly work = (name: string, phase: number) =>
    Effect.gen({ self: this }, function*() {
      assert.isFalse(this.runs.has(name), "a step runs twice")
      for (const [other, at] of this.open) assert.isTrue(at === phase, `${name} begins while ${other} runs`)
      this.runs.set(name, "runs")
      this.open.set(name, phase)
      const way = yield* Random.nextIntBetween(0, 6)
      if (way === 0) yield* Effect.yieldNow
      if (way === 1) yield* Effect.sleep(5)
      if (way === 2) return yield* Effect.fail("no" as const)
      if (way === 3) return yield* Effect.never
      return name
    }).pipe(Effect.onExit((exit) =>
      Effect.sync(() => {
        this.open.delete(name)
        const failed = Exit.hasInterrupts(exit) ? "interrupted" : "failed"
        this.runs.set(name, Exit.isSuccess(exit) ? "done" : failed)
      })
    ))

  /** The report says of each step what the step saw. */
  check({ clean, exitCode, steps }: ShutdownReport.ShutdownReport, names: ReadonlyArray<string>): void {
    // One that is interrupted in the moment in which it ends may have seen itself done, and one that was about to begin nothing.
    const any = ["interrupted", "done", "failed", undefined]
    const of = { Finished: ["done"], Failed: ["failed"], TimedOut: any, Cut: any, Skipped: [undefined] }
    assert.deepStrictEqual(new Set(steps.map(({ name }) => name)), new Set([...names, "the program"]))
    assert.strictEqual(steps.length, names.length + 1)
    for (const { name, outcome } of steps) {
      if (name !== "the program") assert.include(of[outcome._tag], this.runs.get(name), name)
    }
    assert.strictEqual(clean, steps.every(({ outcome }) => outcome._tag === "Finished"))
    assert.strictEqual(exitCode === 1, !clean)
  }
}

/** Six steps in chance phases, a program that is asked, interrupted or sent signals to end, and a report that is true. */
const program = Effect.gen(function*() {
  const ledger = new Ledger()
  const wire = new Wire()
  const built = yield* Deferred.make<void>()
  const reports: Array<ShutdownReport.ShutdownReport> = []
  const names = ["a", "b", "c", "d", "e"]
  let closed = false
  const app = Effect.gen(function*() {
    yield* Effect.addFinalizer(() => Effect.sync(() => closed = true))
    let before: { readonly name: string; readonly at: number } | undefined
    for (const name of names) {
      const at = yield* Random.nextIntBetween(0, phases.length)
      const after = before?.at === at ? [before.name] : []
      yield* Shutdown.step({ name, phase: phases[at] ?? "stop", after, timeout: 20 })(ledger.work(name, at))
      before = { name, at }
    }
    yield* Deferred.succeed(built, undefined)
    return yield* Effect.never
  })
  const onReport = (report: ShutdownReport.ShutdownReport) => Effect.sync(() => reports.push(report))
  const readinessDelay = yield* Random.nextIntBetween(0, 3)
  const layer = Shutdown.layer({ timeout: 100, hurryFor: 10, readinessDelay, onReport })
  const main = Effect.scoped(app).pipe(Shutdown.run, Effect.provide([layer, wire.layer]))
  const fiber = yield* Effect.forkChild(main)
  yield* Deferred.await(built)
  yield* Effect.forEach([0, 1, 2], () =>
    Effect.gen(function*() {
      const way = yield* Random.nextIntBetween(0, 3)
      if (way === 0) yield* wire.send("SIGTERM")
      else if (way === 1) fiber.interruptUnsafe(fiber.id)
      else yield* Effect.sleep(yield* Random.nextIntBetween(0, 20))
    }), { concurrency: "unbounded" })
  yield* wire.send("SIGTERM")
  const exit = yield* Fiber.await(fiber)
  const [report, ...more] = reports
  assert.lengthOf(more, 0)
  assert.isDefined(report)
  if (report !== undefined) {
    ledger.check(report, names)
    assert.isAtMost(report.millis, 100 + 200)
    Shutdown.teardown(exit, (code) => assert.strictEqual(code, report.exitCode))
  }
  assert.isTrue(closed)
  assert.strictEqual(wire.hears.size, 0)
})

describe("Shutdown under every kind of interleaving", () => {
  it.live("runs each step once, in its phase, ends in its time, and its report is what happened", () =>
    Effect.andThen(
      Explore.run(program, { runs: 400, leaks: true }),
      Explore.run(program, { runs: 200, leaks: true, strategy: Explore.pct() })
    ), 120_000)
})

describe("Shutdown interrupted at every step", () => {
  it.live(
    "a program that is interrupted anywhere ends with its steps run, its finalizers run, and nobody listening",
    () =>
      InterruptSweep.run({
        setup: Effect.sync(() => ({ wire: new Wire(), log: new Array<string>(), reports: new Array<string>() })),
        program: ({ log, reports, wire }) => {
          const say = (text: string) => Effect.sync(() => log.push(text))
          const app = Effect.gen(function*() {
            yield* Effect.acquireRelease(say("open"), () => say("closed"))
            yield* Shutdown.step({ name: "a", phase: "drain" })(Effect.andThen(Effect.sleep(1), say("drained")))
            yield* say("built")
            yield* Effect.forkScoped(wire.send("SIGTERM"))
            return yield* Effect.never
          })
          const layer = Shutdown.layer({ onReport: ({ reason }) => Effect.sync(() => reports.push(reason)) })
          return Effect.scoped(app).pipe(Shutdown.run, Effect.provide([layer, wire.layer]))
        },
        invariant: ({ log, reports, wire }) =>
          Effect.sync(() => {
            assert.strictEqual(wire.hears.size, 0)
            assert.isAtMost(reports.length, 1)
            assert.strictEqual(log.includes("open"), log.includes("closed"))
            if (log.includes("built")) assert.deepStrictEqual(log, ["open", "built", "drained", "closed"])
          })
      }),
    120_000
  )

  it.live("who waits for the report is interrupted alone", () =>
    InterruptSweep.run({
      setup: Layer.build(Shutdown.layer({ onReport: () => Effect.void })),
      program: (context) =>
        Effect.scoped(Effect.gen(function*() {
          const { begin } = yield* Shutdown.Shutdown
          yield* Shutdown.step({ name: "a", phase: "drain" })(Effect.sleep(1))
          return yield* begin
        })).pipe(Effect.provide(context)),
      invariant: (context) =>
        Effect.gen(function*() {
          const { begin } = yield* Shutdown.Shutdown
          const report = yield* begin
          for (const { outcome } of report.steps) assert.include(["Finished", "Skipped"], outcome._tag)
        }).pipe(Effect.provide(context))
    }), 120_000)
})
