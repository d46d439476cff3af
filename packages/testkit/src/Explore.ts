/**
 * Runs a program many times, each time with its fibers interleaved in another way, and reports a way that breaks it.
 *
 * A program states its own invariants by failing or dying. Its fibers run under a scheduler that stops before each step
 * of each fiber and picks who goes on, on the caller's stack and in virtual time: a sleep takes no time, and a deadlock is
 * found, not waited for. What was found is replayed by its token, step by step the same.
 *
 * **Gotchas**
 *
 * A program must live in its own world: no promise, socket, timer, `Date.now` or `Math.random`, and no state from outside
 * that one run leaves to the next. `Clock` (starts at 0) and `Random` are provided. Time moves only when every fiber
 * waits, so a timeout is never early because others are slow. Steps are taken under `Scheduler.PreventSchedulerYield`
 * without being seen.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { execute, type Outcome, type Settings } from "./internal/execute.ts"
import type { Choose } from "./internal/Interleaver.ts"
import { Label } from "./internal/Recorder.ts"
import { decode, encode, type Schedule } from "./internal/schedule.ts"
import { shrink } from "./internal/shrink.ts"
import * as strategies from "./internal/strategies.ts"

/**
 * How the next fiber is picked: see `random`, `pct` and `exhaustive`.
 *
 * @since 0.1.0
 * @category models
 */
export type Strategy =
  | { readonly _tag: "random" }
  | { readonly _tag: "pct"; readonly changes: number }
  | { readonly _tag: "exhaustive"; readonly preemptions: number }

/**
 * Preempts at random steps and picks evenly; how often differs between runs, from every second step to every 64th.
 *
 * @since 0.1.0
 * @category strategies
 */
export const random: Strategy = { _tag: "random" }

/**
 * Gives each fiber a random priority, and at `changes` random points (default 3) drops the one that runs to the bottom.
 *
 * **When to use**
 *
 * Use for longer programs with a bug that needs few, well placed switches: one that needs d of them in a program of n
 * fibers and k steps is found with a probability of at least 1 / (n * k^(d-1)) a run. Burckhardt, Kothari, Musuvathi,
 * Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010.
 *
 * @since 0.1.0
 * @category strategies
 */
export const pct = (options?: { readonly changes?: number }): Strategy => ({
  _tag: "pct",
  changes: options?.changes ?? 3
})

/**
 * Tries every interleaving of a small program; the report's `covered` tells whether `runs` were enough for that.
 *
 * **Details**
 *
 * Those in which no fiber is stopped that could go on come first, then those in which that happens once, twice, up to
 * `preemptions` times (default unlimited). Two fibers of five steps have about a thousand interleavings, three of them a
 * million: with 2 preemptions a few hundred. Musuvathi, Qadeer: Iterative Context Bounding, PLDI 2007.
 *
 * @since 0.1.0
 * @category strategies
 */
export const exhaustive = (options?: { readonly preemptions?: number }): Strategy => ({
  _tag: "exhaustive",
  preemptions: options?.preemptions ?? Infinity
})

/**
 * What both a run and its replay need to know.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayOptions<A, E> {
  /** Which ends of the program are good. Default `Exit.isSuccess`. */
  readonly accept?: (exit: Exit.Exit<A, E>) => boolean
  /** Whether a fiber that still waits or sleeps when the program has ended is a failure. Default `false`. */
  readonly leaks?: boolean
  /** Steps of all fibers after which a run is a livelock, if it does not end under a fair order either. Default 10 000. */
  readonly maxSteps?: number
}

/**
 * What to try, and what to take for a failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, E> extends ReplayOptions<A, E> {
  /** The most interleavings to try. Default 500, with `exhaustive` 10 000. */
  readonly runs?: number
  /** The seed of the first run, each later run takes the next one. Default 1. */
  readonly seed?: number
  /** Default `random`. */
  readonly strategy?: Strategy
}

/**
 * What was tried without finding a failure.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly runs: number
  /** Steps of all runs together. */
  readonly steps: number
  /** Whether no interleaving (within the strategy's `preemptions`) was left out. Only `exhaustive` can tell. */
  readonly covered: boolean
}

/**
 * A replay that did not fail: how the program ended, and what was done in which order.
 *
 * @since 0.1.0
 * @category models
 */
export interface Replay<A, E> {
  readonly exit: Exit.Exit<A, E>
  readonly trace: ReadonlyArray<string>
}

/**
 * What was found: the program ended badly; it waits and nobody will wake it; it runs and never ends; it ended and left a
 * fiber behind; it waits for something outside, such as a promise, so nothing can be said about it.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = "failure" | "deadlock" | "livelock" | "leak" | "external"

/**
 * An interleaving that breaks the program; the message tells it step by step.
 *
 * @since 0.1.0
 * @category errors
 */
export class ExploreFailure extends Data.TaggedError("ExploreFailure")<{
  readonly kind: Kind
  /** Give it to `replay`. */
  readonly token: string
  readonly strategy: Strategy["_tag"] | "replay"
  readonly seed: number
  /** Runs it took to find it. */
  readonly runs: number
  /** `undefined` when the program did not end. */
  readonly exit: Exit.Exit<unknown, unknown> | undefined
  /** One line for each turn of a fiber: its name, its place in the order of first steps, and what it did. */
  readonly trace: ReadonlyArray<string>
  /** The fibers that had not ended, each with the last things it did. */
  readonly waiting: ReadonlyArray<string>
  /** `false` when the same choices did not lead to the same end: the program reads something that is not its own. */
  readonly reproducible: boolean
}> {
  override get message(): string {
    const { exit, kind, reproducible, runs, seed, strategy, token, trace, waiting } = this
    const list = (title: string, lines: ReadonlyArray<string>) =>
      lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)]
    return [
      `${headlines[kind]} (run ${runs}, ${strategy}, seed ${seed})`,
      ...list("Ended with", exit === undefined || Exit.isSuccess(exit) ? [] : Cause.pretty(exit.cause).split("\n")),
      ...list("Still alive", waiting),
      ...list("What happened", trace.length > told ? [`… ${trace.length - told} more`, ...trace.slice(-told)] : trace),
      reproducible
        ? `Replay with Explore.replay(program, "${token}")`
        : "The same choices did not lead here again: the program depends on something outside of it"
    ].join("\n")
  }
}

/** Lines of a trace that a message holds: its end. */
const told = 60

const headlines: Record<Kind, string> = {
  failure: "The program fails",
  deadlock: "The program waits and nobody can wake it",
  livelock: "The program runs and does not end",
  leak: "The program ended and left fibers behind",
  external: "The program waits for something outside of it"
}

/**
 * Names the fibers that run an effect, and those they fork, in traces. Without it a fiber goes by its span.
 *
 * @since 0.1.0
 * @category combinators
 */
export const label = (name: string) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(self, Label, name)

/**
 * Runs a program under many interleavings and fails with the first that breaks it, made as short as it could be.
 *
 * **Details**
 *
 * Each run starts the effect again from scratch, in a root fiber of its own: services and scheduler of the caller are not
 * seen, so it does the same under `it.effect` and `it.live`. A run costs about half a microsecond a step.
 *
 * **Interruption**
 *
 * Taken between runs; a run itself is synchronous.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <A, E>(
  program: Effect.Effect<A, E>,
  options: Options<A, E> = {}
): Effect.Effect<Report, ExploreFailure> =>
  Effect.gen(function*() {
    const { seed: start = 1, strategy = random } = options
    const limit = options.runs ?? (strategy._tag === "exhaustive" ? 10_000 : 500)
    const picker = pickers(strategy)
    let steps = 0
    let bounded = true
    for (let runs = 1; runs <= limit; runs++) {
      if (runs % breath === 0) yield* Effect.yieldNow
      const settings = settingsOf(options, strategy._tag === "exhaustive" ? start : start + runs - 1)
      const outcome = execute(program, settings, picker.choose(settings.seed), false)
      steps += outcome.interleaver.steps
      bounded &&= outcome.interleaver.steps <= settings.maxSteps
      if (judge(outcome, options) !== undefined) {
        const choices = shortest(program, options, settings, outcome)
        const found = { strategy: strategy._tag, seed: settings.seed, runs, kind: judge(outcome, options) }
        yield* retell(program, options, { seed: settings.seed, choices }, found)
      }
      if (!picker.next(outcome.interleaver.choices.length)) return { runs, steps, covered: bounded }
    }
    return { runs: limit, steps, covered: false }
  })

/**
 * Runs a program once more under the interleaving that a token stands for: the same trace, the same end.
 *
 * **Details**
 *
 * Fails as the run that gave the token did, and succeeds once the program no longer breaks there: a regression test.
 * Choices are those of this program: after a change of it, a token may lead elsewhere. A text that is no token is a defect.
 *
 * @since 0.1.0
 * @category running
 */
export const replay = <A, E>(
  program: Effect.Effect<A, E>,
  token: string,
  options: ReplayOptions<A, E> = {}
): Effect.Effect<Replay<A, E>, ExploreFailure> =>
  Effect.suspend(() => {
    const schedule = decode(token)
    return schedule === undefined
      ? Effect.die(new Error(`Not a token of Explore: ${token}`))
      : retell(program, options, schedule, { strategy: "replay", seed: schedule.seed, runs: 1, kind: undefined })
  })

/** Runs between two looks at the event loop. */
const breath = 64

const settingsOf = <A, E>(options: ReplayOptions<A, E>, seed: number): Settings => ({
  seed,
  maxSteps: options.maxSteps ?? 10_000,
  leaks: options.leaks ?? false
})

interface Picker {
  readonly choose: (seed: number) => Choose
  /** Told how many choices the run had; `false` when nothing is left to try. */
  readonly next: (choices: number) => boolean
}

const pickers = (strategy: Strategy): Picker => {
  switch (strategy._tag) {
    case "random":
      return { choose: strategies.random, next: () => true }
    case "pct": {
      let length = 0
      return {
        choose: (seed) => strategies.pct(seed, strategy.changes, length),
        next: (choices) => {
          length = Math.max(length, choices)
          return true
        }
      }
    }
    case "exhaustive": {
      const tree = strategies.exhaustive(strategy.preemptions)
      return { choose: tree.choose, next: tree.backtrack }
    }
  }
}

const judge = <A, E>(outcome: Outcome<A, E>, options: ReplayOptions<A, E>): Kind | undefined => {
  if (outcome.livelock) return "livelock"
  if (outcome.exit === undefined) return "deadlock"
  if (!(options.accept ?? Exit.isSuccess)(outcome.exit)) return "failure"
  return outcome.leaked ? "leak" : undefined
}

const errorOf = (exit: Exit.Exit<unknown, unknown> | undefined): string =>
  exit === undefined || Exit.isSuccess(exit) ? "" : String(Cause.squash(exit.cause))

const shrinkSteps = 1_000_000
const shrinkAttempts = 300

const shortest = <A, E>(
  program: Effect.Effect<A, E>,
  options: ReplayOptions<A, E>,
  settings: Settings,
  found: Outcome<A, E>
): ReadonlyArray<number> => {
  const kind = judge(found, options)
  const attempts = Math.min(shrinkAttempts, Math.floor(shrinkSteps / found.interleaver.steps))
  return shrink(found.interleaver.choices, attempts, (choices) => {
    const outcome = execute(program, settings, strategies.recorded(choices), false)
    const same = judge(outcome, options) === kind && errorOf(outcome.exit) === errorOf(found.exit)
    return same ? outcome.interleaver.choices : undefined
  })
}

/** Runs a schedule with the recorder on, and gives the run after it was seen that nothing from outside wakes it. */
const retell = Effect.fnUntraced(function*<A, E>(
  program: Effect.Effect<A, E>,
  options: ReplayOptions<A, E>,
  schedule: Schedule,
  found: Pick<ExploreFailure, "strategy" | "seed" | "runs"> & { readonly kind: Kind | undefined }
) {
  const resources = resourcesInUse()
  const outcome = execute(program, settingsOf(options, schedule.seed), strategies.recorded(schedule.choices), true)
  const { exit, interleaver, recorder } = outcome
  const kind = judge(outcome, options)
  const trace = recorder?.trace ?? []
  if (kind === undefined && exit !== undefined && found.kind === undefined) return { exit, trace }
  const outside = kind === "deadlock" &&
    (resourcesInUse() > resources || (yield* wokenFromOutside(interleaver)))
  return yield* new ExploreFailure({
    ...found,
    kind: outside ? "external" : kind ?? found.kind ?? "failure",
    token: encode({ seed: schedule.seed, choices: interleaver.choices }),
    exit,
    trace,
    waiting: recorder?.waiting ?? [],
    reproducible: found.kind === undefined || kind === found.kind
  })
})

/** Sockets, timers and the like of the process; a browser does not tell. */
const resourcesInUse = (): number => typeof process === "undefined" ? 0 : process.getActiveResourcesInfo().length

const wokenFromOutside = (interleaver: { readonly quiet: boolean }): Effect.Effect<boolean> =>
  Effect.promise(() => new Promise((resolve) => setTimeout(() => resolve(!interleaver.quiet), 0)))
