/**
 * Records who asked, entered and left, in any number of processes, and finds where two were inside that should not be.
 *
 * Each process appends lines to one file, or prints them; the test reads them all and checks them together. Nothing is
 * reported that cannot have happened: an actor records `enter` after it was let in and `leave` before it gives back, so
 * if two recorded stays overlap, the real ones do.
 *
 * **Gotchas**
 *
 * Times are `process.hrtime.bigint()`, which reads `CLOCK_MONOTONIC`: all processes of one machine share it, and setting the
 * wall clock does not move it. Histories of two machines, or of containers with time namespaces, cannot be put together.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import { type Attempt, attemptsOf } from "./internal/attempts.ts"
import { Event, type Fate, type Step } from "./internal/historyEvent.ts"

export { Event, Fate, Step } from "./internal/historyEvent.ts"

type Own<E extends Event> = Omit<E, "at" | "process"> & { readonly process?: string }

/**
 * What a program tells the recorder, which adds the time and, unless given, its process.
 *
 * @since 0.1.0
 * @category models
 */
export type Entry = Own<Step> | Own<Fate>

/**
 * A line that is no event.
 *
 * @since 0.1.0
 * @category errors
 */
export class MalformedHistory extends Data.TaggedError("MalformedHistory")<{
  /** From 1. */
  readonly line: number
  readonly text: string
}> {
  override get message(): string {
    return `Line ${this.line} is no event: ${this.text}`
  }
}

/**
 * Takes down what happens, in the order in which it is told.
 *
 * @since 0.1.0
 * @category services
 */
export class Recorder extends Context.Service<Recorder, {
  /** Once it has returned, a kill of the process does not lose the event. */
  readonly record: (entry: Entry) => Effect.Effect<void>
}>()("heddle/testkit/HistoryRecorder") {}

/**
 * Records an event now.
 *
 * @since 0.1.0
 * @category recording
 */
export const record = (entry: Entry): Effect.Effect<void, never, Recorder> =>
  Recorder.use((recorder) => recorder.record(entry))

/**
 * Appends to an array of the caller.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (events: Array<Event>): Layer.Layer<Recorder> =>
  Layer.succeed(Recorder, writer((event) => events.push(event)))

/**
 * Appends a line per event to a file that any number of processes of one machine may share.
 *
 * **Details**
 *
 * The file is opened with `O_APPEND` and each line is one write, so lines do not mix on a local file system. A file that
 * cannot be opened or written is a defect.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (path: string): Layer.Layer<Recorder> =>
  Layer.effect(
    Recorder,
    Effect.map(
      Effect.acquireRelease(Effect.sync(() => Fs.openSync(path, "a")), (file) => Effect.sync(() => Fs.closeSync(file))),
      (file) => writer((event) => Fs.writeSync(file, lineOf(event)))
    )
  )

/**
 * Prints a line per event, for a parent process that reads it (written at once on Linux, where pipes are synchronous).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerStdout: Layer.Layer<Recorder> = Layer.succeed(
  Recorder,
  writer((event) => process.stdout.write(lineOf(event)))
)

/**
 * Reads lines of any number of processes and puts the events in order of time.
 *
 * **Details**
 *
 * Lines that do not begin with `{` are passed over, so a child may print other things as well, and so is a last line
 * without an end, which a killed process may leave.
 *
 * @since 0.1.0
 * @category reading
 */
export const parse = (text: string): Effect.Effect<ReadonlyArray<Event>, MalformedHistory> =>
  Effect.suspend(() => {
    const events: Array<Event> = []
    for (const [index, line] of text.split("\n").slice(0, -1).entries()) {
      if (!line.startsWith("{")) continue
      const decoded = decode(line)
      if (Result.isFailure(decoded)) return Effect.fail(new MalformedHistory({ line: index + 1, text: line }))
      events.push(decoded.success)
    }
    return Effect.succeed(inOrder(events))
  })

/**
 * Reads a file that `layerFile` has written; one that cannot be read is a defect.
 *
 * @since 0.1.0
 * @category reading
 */
export const read = (path: string): Effect.Effect<ReadonlyArray<Event>, MalformedHistory> =>
  Effect.suspend(() => parse(Fs.readFileSync(path, "utf8")))

/**
 * What is promised about each key.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rules {
  /** The most permits inside at once. Default 1. */
  readonly limit?: number
  /**
   * Whether entering follows the line. Default: not checked.
   *
   * `"queued"`: the `queued` events stand in the order of the line. `"asked"`: they do not, so someone is ahead of another
   * only if he was `queued` before the other did `ask`.
   */
  readonly line?: "queued" | "asked"
}

/**
 * A promise that was broken, with the events that show it.
 *
 * **Details**
 *
 * `"exclusion"`: more inside than the limit. `"line"`: someone entered before one ahead of him. `"tokens"`: a token is not
 * higher than one given before. `"shape"`: an actor did what it cannot have done, such as leaving a key it is not in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Violation {
  readonly rule: "exclusion" | "line" | "tokens" | "shape"
  readonly message: string
  readonly events: ReadonlyArray<Step>
}

/**
 * Finds where a history breaks the rules; none in a good one.
 *
 * **Details**
 *
 * The events may come in any order. Who was `paused` counts as outside from there on, unless he did `leave` later: then he
 * went on inside. Someone who asked, and neither entered nor gave up, is overtaken by all who were behind him and entered.
 * Tokens must rise strictly, in order of `enter` where the limit is 1, else for those who asked after the other had
 * entered; where there are tokens, the line is checked against them, since with more than one inside the order in which
 * actors get to record `enter` is not that of the grants.
 *
 * @since 0.1.0
 * @category checking
 */
export const check = (events: ReadonlyArray<Event>, rules: Rules = {}): ReadonlyArray<Violation> => {
  const { all, impossible } = attemptsOf(inOrder(events))
  const violations = impossible.map((event): Violation => ({
    rule: "shape",
    message: `${event.process}/${event.actor} cannot ${event.kind} ${event.key} here`,
    events: [event]
  }))
  const keys = Map.groupBy(all, (attempt) => attempt.key)
  for (const attempts of keys.values()) {
    violations.push(...exclusion(attempts, rules.limit ?? 1))
    if (rules.line !== undefined) violations.push(...line(attempts, rules.line))
    violations.push(...tokens(attempts, rules.limit ?? 1))
  }
  return violations
}

const name = (attempt: Attempt): string => `${attempt.process}/${attempt.actor}`

const exclusion = (attempts: ReadonlyArray<Attempt>, limit: number): ReadonlyArray<Violation> => {
  const violations: Array<Violation> = []
  let inside: ReadonlyArray<Attempt> = []
  for (const attempt of by(attempts, (one) => one.entered)) {
    inside = [...inside.filter((other) => other.out > attempt.entered), attempt]
    const permits = inside.reduce((sum, one) => sum + one.permits, 0)
    if (permits <= limit) continue
    const message = `${inside.map(name).join(" and ")} inside ${attempt.key} at once: ${permits} of ${limit} permits`
    violations.push({ rule: "exclusion", message, events: inside.flatMap((one) => one.events) })
  }
  return violations
}

const line = (attempts: ReadonlyArray<Attempt>, order: "queued" | "asked"): ReadonlyArray<Violation> => {
  // Who gave up may have left the line long before he says so: nothing can be said about him.
  const waited = attempts.filter((one) => one.queued < Infinity && (one.entered < Infinity || !one.ended))
  const byToken = waited.every((one) => one.entered === Infinity || one.token !== undefined)
  const rank = (one: Attempt) => one.entered === Infinity ? Infinity : byToken ? one.token ?? Infinity : one.entered
  const entered = waited.filter((one) => one.entered < Infinity)
  return inversions(waited, (one) => one.queued, entered, (one) => one[order], rank).map(([ahead, behind]) => ({
    rule: "line",
    message: `${name(behind)} entered ${behind.key} before ${name(ahead)}, who was ahead`,
    events: [...ahead.events, ...behind.events]
  }))
}

const tokens = (attempts: ReadonlyArray<Attempt>, limit: number): ReadonlyArray<Violation> => {
  const entered = attempts.filter((one) => one.token !== undefined)
  const from = (one: Attempt) => limit === 1 ? one.entered : one.asked
  return inversions(entered, (one) => one.entered, entered, from, (one) => one.token ?? 0n).map(([earlier, later]) => ({
    rule: "tokens",
    message: `${name(later)} entered ${later.key} with token ${later.token}, after token ${earlier.token}`,
    events: [...earlier.events, ...later.events]
  }))
}

/** For each of `seconds`, who ranks highest among the `firsts` that were there before it, if not lower than itself. */
const inversions = (
  firsts: ReadonlyArray<Attempt>,
  there: (first: Attempt) => number,
  seconds: ReadonlyArray<Attempt>,
  from: (second: Attempt) => number,
  rank: (attempt: Attempt) => bigint | number
): ReadonlyArray<readonly [first: Attempt, second: Attempt]> => {
  const pairs: Array<readonly [Attempt, Attempt]> = []
  const waiting = by(firsts, there)
  let next = 0
  let highest: Attempt | undefined
  for (const second of by(seconds, from)) {
    for (let first = waiting[next]; first !== undefined && there(first) < from(second); first = waiting[++next]) {
      if (highest === undefined || rank(first) > rank(highest)) highest = first
    }
    if (highest !== undefined && rank(highest) >= rank(second)) pairs.push([highest, second])
  }
  return pairs
}

/** In order of a place in the history, without those for whom it did not happen. */
const by = (attempts: ReadonlyArray<Attempt>, place: (attempt: Attempt) => number): ReadonlyArray<Attempt> =>
  attempts.filter((one) => place(one) < Infinity).sort((one, other) => place(one) - place(other))

const inOrder = (events: ReadonlyArray<Event>): ReadonlyArray<Event> =>
  events.toSorted((one, other) => one.at < other.at ? -1 : one.at > other.at ? 1 : 0)

const codec = Schema.fromJsonString(Event)
const decode = Schema.decodeUnknownResult(codec)
const encode = Schema.encodeSync(codec)

const lineOf = (event: Event): string => `${encode(event)}\n`

function writer(write: (event: Event) => unknown): Recorder["Service"] {
  return {
    record: (entry) => Effect.sync(() => write({ process: `${process.pid}`, ...entry, at: process.hrtime.bigint() }))
  }
}
