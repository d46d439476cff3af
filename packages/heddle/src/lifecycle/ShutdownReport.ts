/**
 * What a shutdown came to: how each step ended, how long it took, and what was left.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type { Signal } from "./Signals.ts"

/**
 * When a step runs: all steps of one phase have ended, or were left behind, before the next phase begins.
 *
 * **Details**
 *
 * `stop` takes nothing more and finishes what was taken; `drain` runs what waits; `release` gives back what others wait for;
 * `close` ends what the others stood on.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase = "stop" | "drain" | "release" | "close"

/**
 * Why a shutdown began: by a signal, because the program asked, or because its main fiber was interrupted.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = Signal | "asked" | "interrupted"

/**
 * How a step ended. `held` is what it said it held when it was stopped; `left` is whether it ran on after that.
 *
 * **Details**
 *
 * `TimedOut`: its own time was over, or that of all. `Cut`: a second signal came while it ran. `Skipped`: it did not run, because
 * the `time` of all was over, a second signal made it `hurry`, or its scope was `gone` before its turn.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Finished"; readonly value: unknown }
  | { readonly _tag: "Failed"; readonly cause: Cause.Cause<unknown> }
  | { readonly _tag: "TimedOut"; readonly held: string | undefined; readonly left: boolean }
  | { readonly _tag: "Cut"; readonly held: string | undefined; readonly left: boolean }
  | { readonly _tag: "Skipped"; readonly because: "time" | "hurry" | "gone" }

/**
 * One step. The phase `end` is the program itself, its finalizers included.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepReport {
  readonly name: string
  readonly phase: Phase | "end"
  readonly outcome: Outcome
  /** From its beginning to its end, or to when it was left behind. */
  readonly millis: number
}

/**
 * The whole shutdown, its steps in the order in which they ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface ShutdownReport {
  readonly reason: Reason
  /** Every signal that came until the end, in order. The second hurries. */
  readonly signals: ReadonlyArray<Signal>
  readonly steps: ReadonlyArray<StepReport>
  /** From the first request to shut down, the delay for load balancers included. */
  readonly millis: number
  /** Whether every step finished. */
  readonly clean: boolean
  /** 1 if it is not clean; else 143, 130 or 129 by the first signal, 130 if interrupted, 0 if the program asked. */
  readonly exitCode: number
}

const codes: Readonly<Record<Reason, number>> = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129, interrupted: 130, asked: 0 }

/**
 * Adds up a report from what happened.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  happened: Pick<ShutdownReport, "reason" | "signals" | "steps" | "millis">
): ShutdownReport => {
  const clean = happened.steps.every(({ outcome }) => outcome._tag === "Finished")
  return { ...happened, clean, exitCode: clean ? codes[happened.reason] : 1 }
}

const tell = (outcome: Outcome): string => {
  switch (outcome._tag) {
    case "Finished":
      return "finished"
    case "Failed":
      return `failed: ${Cause.pretty(outcome.cause).split("\n")[0]}`
    case "Skipped":
      return { time: "skipped: no time left", hurry: "skipped: in a hurry", gone: "skipped: its scope had closed" }[
        outcome.because
      ]
    default:
      return [
        outcome._tag === "Cut" ? "cut short" : "timed out",
        ...(outcome.left ? ["left behind"] : []),
        ...(outcome.held === undefined ? [] : [`held ${outcome.held}`])
      ].join(", ")
  }
}

/**
 * The report as text: one line for all, and one for each step.
 *
 * **Example** (Two steps)
 *
 * ```ts
 * import { ShutdownReport } from "heddle/lifecycle"
 *
 * const text = ShutdownReport.format(ShutdownReport.make({
 *   reason: "SIGTERM",
 *   signals: ["SIGTERM"],
 *   millis: 10_012,
 *   steps: [
 *     { name: "http", phase: "stop", millis: 12, outcome: { _tag: "Finished", value: undefined } },
 *     {
 *       name: "pool",
 *       phase: "drain",
 *       millis: 10_000,
 *       outcome: { _tag: "TimedOut", held: "3 tasks", left: false }
 *     }
 *   ]
 * }))
 *
 * text.split("\n")[0] // => "shutdown by SIGTERM, not clean, 10012 ms"
 * text.split("\n")[2] // => "  drain pool: timed out, held 3 tasks, 10000 ms"
 * ```
 *
 * @category rendering
 * @since 0.1.0
 */
export const format = ({ clean, millis, reason, signals, steps }: ShutdownReport): string => {
  const again = signals.length > 1 ? `, hurried by ${signals.slice(1).join(", ")}` : ""
  return [
    `shutdown by ${reason}${again}, ${clean ? "clean" : "not clean"}, ${Math.round(millis)} ms`,
    ...steps.map(({ millis, name, outcome, phase }) => `  ${phase} ${name}: ${tell(outcome)}, ${Math.round(millis)} ms`)
  ].join("\n")
}
