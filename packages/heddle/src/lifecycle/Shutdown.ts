/**
 * Ends a process in order: it is no longer ready, takes nothing more, drains, gives back its leases, and closes.
 *
 * **When to use**
 *
 * In a service that is stopped while it works. Effect's `NodeRuntime.runMain` turns a signal into an interruption, and finalizers
 * run in reverse order; they have no names, no time limits and no report, requests in flight are interrupted with the rest, one
 * that hangs hangs for ever, and a second signal does nothing. For a script that is enough.
 *
 * **Details**
 *
 * Parts of the program register named steps; `run` around the program listens to SIGTERM, SIGINT and SIGHUP. Steps of one phase
 * run at the same time, except where one names another. A step that does not end in its time is interrupted, and after one
 * second more it is left behind. After the last phase the program is interrupted, so that its finalizers run.
 *
 * **Gotchas**
 *
 * A step that computes without a pause stops the whole process, and this too. Orchestrators kill after a time of theirs, often
 * 30 seconds: stay below it. Under `npm start`, Ctrl-C comes twice, which hurries. A step that waits for the report of the
 * shutdown waits for itself, until its time is over.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { monotonic } from "../internal/monotonic.ts"
import * as check from "./internal/check.ts"
import { Course } from "./internal/Course.ts"
import { place, Step } from "./internal/Step.ts"
import { format, type Phase, type ShutdownReport } from "./ShutdownReport.ts"
import { Signals } from "./Signals.ts"

/**
 * How long all may take, and what is done about load balancers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** For all of it, from the first signal on. Default 30 seconds. */
  readonly timeout?: Duration.Input | undefined
  /**
   * How long it goes on taking after it said that it is not ready, so that load balancers see it: less than `timeout`. Default 0.
   */
  readonly readinessDelay?: Duration.Input | undefined
  /** What a second signal leaves for the phases `release` and `close` and the program's finalizers. Default 1 second. */
  readonly hurryFor?: Duration.Input | undefined
  /** Gets the report before the process ends, for at most a second. Default: logs it, as a warning where it is not clean. */
  readonly onReport?: ((report: ShutdownReport) => Effect.Effect<unknown>) | undefined
}

/**
 * A step, its place and its time.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepOptions {
  /** Unlike all others there are: 1 to 200 characters. Also a metric's label, so no ids in it. */
  readonly name: string
  readonly phase: Phase
  /** Steps that are there already, and after whose end this one begins. */
  readonly after?: ReadonlyArray<string> | undefined
  /** Steps that are there already, and that begin after this one's end. */
  readonly before?: ReadonlyArray<string> | undefined
  /** Above 0. Default 10 seconds; never more than what is left of the time for all. */
  readonly timeout?: Duration.Input | undefined
  /** Says what the step still holds, for the report, when it is stopped. */
  readonly holds?: Effect.Effect<string> | undefined
}

/**
 * What a program asks of its end, and does to bring it about.
 *
 * @category services
 * @since 0.1.0
 */
export class Shutdown extends Context.Service<Shutdown, {
  /** Whether it has begun. True at once, before anything else is done. */
  readonly isStopping: Effect.Effect<boolean>
  /**
   * Waits until it begins: `Stream.haltWhen(shutdown.begun)` ends a stream that would not end.
   *
   * **Interruption**
   *
   * Stops waiting.
   */
  readonly begun: Effect.Effect<void>
  /**
   * Shuts down, and answers with the report. It happens once, however many ask, and all get the same report.
   *
   * **Interruption**
   *
   * Stops waiting. The shutdown goes on.
   */
  readonly begin: Effect.Effect<ShutdownReport>
  /**
   * Waits for the report of a shutdown that others begin.
   *
   * **Interruption**
   *
   * Stops waiting.
   */
  readonly report: Effect.Effect<ShutdownReport>
  /** The part that registers steps and that `run` drives: use `step` and `run`. */
  readonly course: Course
}>()("heddle/Shutdown") {}

/**
 * A step cannot stand where it was put: its name is taken, it names steps that are not there, or it would wait for itself.
 * Correct the one that is named.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidStep extends Schema.TaggedError<InvalidStep>()("InvalidStep", {
  step: Schema.String,
  reason: Schema.Literals(["duplicate", "unknown", "cycle"]),
  names: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const names = this.names.join(" → ")
    return {
      duplicate: `the step ${this.step} is there already`,
      unknown: `the step ${this.step} names ${this.names.join(", ")}: register that before it`,
      cycle: `the step ${this.step} would wait for itself: ${names}`
    }[this.reason]
  }
}

/**
 * The shutdown has begun, so that nothing more is built that would have to be shut down: give up.
 *
 * @category errors
 * @since 0.1.0
 */
export class ShuttingDown extends Schema.TaggedError<ShuttingDown>()("ShuttingDown", { step: Schema.String }) {
  override get message(): string {
    return `the step ${this.step} came after the shutdown had begun`
  }
}

/**
 * The program was shut down, and its exit code is not 0. `runMain` ends the process with it and logs nothing, for the report is
 * told already.
 *
 * @category errors
 * @since 0.1.0
 */
export class Stopped extends Data.TaggedError("Stopped")<{ readonly report: ShutdownReport }> {
  override readonly [Runtime.errorExitCode]: number = this.report.exitCode
  override readonly [Runtime.errorReported]: boolean = false
  override get message(): string {
    return format(this.report)
  }
}

/**
 * A shutdown that begins when it is asked for. Around the program it is the outermost layer, with `run`. Fails with
 * `InvalidOption` if an option is out of its range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Shutdown, InvalidOption> =>
  Layer.effect(
    Shutdown,
    Effect.gen(function*() {
      const timeout = yield* check.millis("timeout", options.timeout ?? "30 seconds", 1)
      const readinessDelay = yield* check.millis("readinessDelay", options.readinessDelay ?? 0, 0)
      const hurryFor = yield* check.millis("hurryFor", options.hurryFor ?? "1 second", 0)
      yield* check.holds("readinessDelay", readinessDelay < timeout, "be less than timeout")
      const now = monotonic(yield* Clock.Clock)
      const context = yield* Effect.context<never>()
      const onReport = options.onReport ?? log
      const course = new Course({ timeout, readinessDelay, hurryFor, onReport, context, now })
      const report = Deferred.await(course.ended)
      yield* Effect.addFinalizer(() => course.stage === "running" ? Effect.void : report)
      return {
        isStopping: Effect.sync(() => course.stage !== "running"),
        begun: Deferred.await(course.begun),
        begin: Effect.suspend(() => {
          course.begin("asked")
          return report
        }),
        report,
        course
      }
    })
  )

/**
 * Registers a step that runs when the process is shut down, until the scope closes. It runs with the services of whoever registers
 * it. Fails with `InvalidStep` where it cannot stand, and with `ShuttingDown` if it comes too late.
 *
 * **Details**
 *
 * Layers are built from the ground up, so one that stands on another says `before`. Nothing of a step that fails keeps others
 * from running. What a step succeeds with is in the report; a step that leaves something undone should fail.
 *
 * **Interruption**
 *
 * A step is interrupted when its time is over. A scope that closes while its step runs waits for it.
 *
 * **Example** (A pool and what it stands on)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Shutdown } from "heddle/lifecycle"
 *
 * const program = Effect.gen(function*() {
 *   const log: Array<string> = []
 *   const say = (text: string) => Effect.sync(() => log.push(text))
 *   yield* Shutdown.step({ name: "database", phase: "close" })(say("closed"))
 *   yield* Shutdown.step({ name: "pool", phase: "drain" })(say("drained"))
 *   const shutdown = yield* Shutdown.Shutdown
 *   const { clean, exitCode } = yield* shutdown.begin
 *   return { log, clean, exitCode }
 * })
 *
 * await program.pipe(
 *   Effect.scoped,
 *   Effect.provide(Shutdown.layer({ onReport: () => Effect.void })),
 *   Effect.runPromise
 * ) // => { log: ["drained", "closed"], clean: true, exitCode: 0 }
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
export const step = (options: StepOptions) =>
<A, E, R>(
  work: Effect.Effect<A, E, R>
): Effect.Effect<void, InvalidStep | ShuttingDown | InvalidOption, R | Shutdown | Scope.Scope> =>
  Effect.gen(function*() {
    const { after = [], before = [], holds, name, phase } = options
    yield* check.name("name", name)
    const timeout = yield* check.millis("timeout", options.timeout ?? "10 seconds", 1)
    const context = yield* Effect.context<R>()
    const { course } = yield* Shutdown
    const plan = { name, phase, timeout, holds, run: Effect.provideContext(work, context) }
    yield* Effect.acquireRelease(
      Effect.suspend((): Effect.Effect<Step, InvalidStep | ShuttingDown> => {
        if (course.stage !== "running") return Effect.fail(new ShuttingDown({ step: name }))
        const placed = place(course.steps, plan, after, before)
        if ("reason" in placed) return Effect.fail(new InvalidStep({ step: name, ...placed }))
        course.add(placed.step, placed.followers)
        return Effect.succeed(placed.step)
      }),
      (step) => course.remove(step)
    )
  })

/**
 * A layer that is closed by a step: its finalizers get a name, a phase and a time. It also closes with its scope, as any other.
 *
 * **Interruption**
 *
 * Finalizers cannot be interrupted: where they hang they are left behind, and the report says so.
 *
 * @category steps
 * @since 0.1.0
 */
export const closing = (options: StepOptions) =>
<A, E, R>(
  self: Layer.Layer<A, E, R>
): Layer.Layer<A, E | InvalidStep | ShuttingDown | InvalidOption, R | Shutdown> =>
  Layer.effectContext(Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.buildWithScope(self, scope)
    yield* step(options)(Scope.close(scope, Exit.void))
    return context
  }))

/**
 * Runs a program until it ends by itself, or is shut down: by a signal, by `begin`, or because this is interrupted. Then the steps
 * run in their order, and at the end the program is interrupted. A shutdown with exit code 0 succeeds; another fails with
 * `Stopped`.
 *
 * **Details**
 *
 * `runMain` interrupts on SIGTERM and SIGINT by itself and knows one exit code for both, 130. Give it `teardown`.
 *
 * **Interruption**
 *
 * Shuts down, as a signal does, and is over when the report is there.
 *
 * **Example** (A program that ends itself)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Shutdown } from "heddle/lifecycle"
 *
 * const program = Shutdown.Shutdown.use(({ begin }) => begin).pipe(Effect.andThen(Effect.never))
 *
 * await program.pipe(
 *   Shutdown.run,
 *   Effect.provide(Shutdown.layer({ onReport: () => Effect.void })),
 *   // NodeRuntime.runMain({ teardown: Shutdown.teardown })
 *   Effect.runPromise
 * ) // => undefined
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E, R>(app: Effect.Effect<A, E, R>): Effect.Effect<A | void, E | Stopped, R | Shutdown> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { course, report } = yield* Shutdown
      const listen = yield* Signals
      const start = Deferred.makeUnsafe<void>()
      const fiber = yield* Effect.forkDetach(Effect.interruptible(Effect.andThen(Deferred.await(start), app)))
      // It begins when it is a step, and when signals are heard; not at all where the end was before the beginning.
      if (course.stage === "running") course.steps.set("the program", program(fiber))
      else fiber.interruptUnsafe()
      const stopListening = listen((signal) => course.heard(signal))
      Deferred.doneUnsafe(start, Exit.void)
      const first = yield* Effect.exit(restore(Effect.raceFirst(Fiber.await(fiber), report)))
      const over = fiber.pollUnsafe()
      if (over !== undefined && course.stage === "running") {
        stopListening()
        return yield* over
      }
      const interrupted = Exit.isFailure(first)
      if (interrupted) course.begin("interrupted")
      const last = yield* report
      stopListening()
      if (interrupted) return yield* endWith(last)
      return yield* last.exitCode === 0 ? Effect.void : Effect.fail(new Stopped({ report: last }))
    })
  )

/**
 * Gives `runMain` the exit code of the report: `NodeRuntime.runMain(program, { teardown: Shutdown.teardown })`.
 *
 * @category running
 * @since 0.1.0
 */
export const teardown: Runtime.Teardown = (exit, onExit) => {
  const last = Exit.isFailure(exit) ? Context.getOption(Cause.annotations(exit.cause), Last) : Option.none()
  if (Option.isSome(last)) onExit(last.value.exitCode)
  else Runtime.defaultTeardown(exit, onExit)
}

/** The program itself is the last step: its finalizers have their time, too, and it is left behind where they do not end. */
const program = (fiber: Fiber.Fiber<unknown, unknown>): Step =>
  new Step({
    name: "the program",
    phase: "end",
    timeout: Infinity,
    holds: undefined,
    run: Effect.andThen(Fiber.interrupt(fiber), Effect.suspend(() => whatFailed(fiber.pollUnsafe())))
  }, new Set())

/** A program that is not built yet is told to give up, and that is no failure. */
const whatFailed = (exit: Exit.Exit<unknown, unknown> | undefined): Effect.Effect<void, unknown> =>
  exit === undefined || Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ||
    Cause.squash(exit.cause) instanceof ShuttingDown
    ? Effect.void
    : Effect.failCause(exit.cause)

/** The report goes out with the interruption: nothing else is sure to come out of a fiber that is interrupted. */
class Last extends Context.Service<Last, ShutdownReport>()("heddle/Shutdown/Last") {}

const endWith = (report: ShutdownReport): Effect.Effect<never> =>
  Effect.withFiber((fiber) => {
    fiber.interruptUnsafe(fiber.id, Context.make(Last, report))
    return Effect.interrupt
  })

const log = (report: ShutdownReport): Effect.Effect<void> =>
  report.clean ? Effect.logInfo(format(report)) : Effect.logWarning(format(report))
