/**
 * Interrupts a program at its first step, at its second, … at its last, each time in a fresh world, and checks after each
 * that an invariant holds.
 *
 * The program runs as under `Explore`, in virtual time, its fibers in the order in which Effect would run them. The points
 * are those between any two steps of any of its fibers, also while the main fiber waits: also after it was granted what
 * it waits for, and before it knows.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { type Strike, strike, type Subject, type Wrong } from "./internal/strike.ts"

/**
 * What to interrupt, where, and what must hold after it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<W, A, E, E2, E3> {
  /** Makes the world of one run. Its scope is closed after the invariant was checked. */
  readonly setup: Effect.Effect<W, E2, Scope.Scope>
  readonly program: (world: W) => Effect.Effect<A, E>
  /** Runs when the program has ended and its finalizers too; fails, dies or hangs when something is wrong. */
  readonly invariant: (world: W, exit: Exit.Exit<A, E>) => Effect.Effect<unknown, E3>
  /** `"all"` also interrupts each other fiber of the program before each of its own steps. Default `"main"`. */
  readonly target?: "main" | "all"
  /** Whether a fiber that was not there before the program, and outlives the world's scope, is a failure. Default `true`. */
  readonly leaks?: boolean
  /** Steps of all fibers after which a run counts as one that does not end. Default 10 000. */
  readonly maxSteps?: number
}

/**
 * How many points the program has, and how many runs were made: one without interruption and one for each of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly points: number
  readonly runs: number
}

/**
 * The first point at which an interruption breaks something; the message tells the run step by step.
 *
 * **Details**
 *
 * `kind`: the `"invariant"` failed or hangs; the program did not end (`"hang"`, such as a finalizer that waits for ever, or
 * `"livelock"`); it ended and left a fiber behind (`"leak"`); `"setup"` failed, hangs, or cannot be closed.
 *
 * @since 0.1.0
 * @category errors
 */
export class InterruptSweepFailure extends Data.TaggedError("InterruptSweepFailure")<{
  readonly kind: Wrong["kind"]
  /** From 1; 0 is the run without interruption. */
  readonly point: number
  readonly points: number
  /** How the part that `kind` names has ended, `undefined` when it did not. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  /** One line for each turn of a fiber, and one for the interruption. */
  readonly trace: ReadonlyArray<string>
  /** The fibers that had not ended, each with the last things it did. */
  readonly waiting: ReadonlyArray<string>
}> {
  override get message(): string {
    const { exit, kind, point, points, trace, waiting } = this
    const where = point === 0 ? "without interruption" : `interrupted at point ${point} of ${points}`
    const list = (title: string, lines: ReadonlyArray<string>) =>
      lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)]
    return [
      `${headlines[kind]}, ${where}`,
      ...list("Ended with", exit === undefined || Exit.isSuccess(exit) ? [] : Cause.pretty(exit.cause).split("\n")),
      ...list("Still alive", waiting),
      ...list("What happened", trace)
    ].join("\n")
  }
}

const headlines: Record<Wrong["kind"], string> = {
  setup: "The setup fails or hangs",
  invariant: "The invariant fails or hangs",
  hang: "The program hangs",
  livelock: "The program runs and does not end",
  leak: "The program ended and left fibers behind"
}

/**
 * Runs a program once to count its points, then once for each point with an interruption there, until one breaks it.
 *
 * **Interruption**
 *
 * Taken between runs; a run itself is synchronous.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <W, A, E, E2, E3>(
  options: Options<W, A, E, E2, E3>
): Effect.Effect<Report, InterruptSweepFailure> =>
  Effect.gen(function*() {
    const subject = { ...options, maxSteps: options.maxSteps ?? 10_000, leaks: options.leaks ?? true }
    const clean = strike(subject, never, false)
    yield* check(subject, clean.points, never, clean.wrong)
    const strikes = Array.from({ length: clean.points }, (_, index): Strike => ({ at: index + 1, victim: "main" }))
    if (options.target === "all") strikes.push(...clean.others.map((at): Strike => ({ at, victim: "next" })))
    for (const [index, here] of strikes.entries()) {
      if (index % breath === 0) yield* Effect.yieldNow
      yield* check(subject, clean.points, here, strike(subject, here, false).wrong)
    }
    return { points: clean.points, runs: 1 + strikes.length }
  })

const never: Strike = { at: 0, victim: "main" }

/** Runs between two looks at the event loop. */
const breath = 64

const check = <W, A, E, E2, E3>(
  subject: Subject<W, A, E, E2, E3>,
  points: number,
  here: Strike,
  wrong: Wrong | undefined
): Effect.Effect<void, InterruptSweepFailure> =>
  Effect.suspend(() => {
    if (wrong === undefined) return Effect.void
    const { recorder } = strike(subject, here, true)
    const [trace, waiting] = [recorder?.trace ?? [], recorder?.waiting ?? []]
    return Effect.fail(new InterruptSweepFailure({ ...wrong, point: here.at, points, trace, waiting }))
  })
