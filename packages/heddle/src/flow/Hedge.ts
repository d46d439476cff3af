/**
 * Starts the same work more than once and takes the first success.
 *
 * Of three replicas one is always slow. Whoever asks a second one when the first has not answered for as long as nineteen of twenty
 * calls take, makes one call in twenty twice and waits for hardly any slow one.
 *
 * **When to use**
 *
 * `hedged` for calls that vary in how long they take and that may run twice. `firstSuccess` for several ways to one answer: replicas,
 * mirrors, addresses. `quorum` where so many of them must agree. Effect's `race` is enough where the losers clean up at once, `retry`
 * where a failure and not slowness is the trouble.
 *
 * **Details**
 *
 * Who is no longer needed is interrupted, and nobody waits for its end: neither the winner nor a timeout. An attempt is given a scope of
 * its own where the caller has one. The winner's is closed with the caller's scope, a loser's at its end, and the end of the caller's
 * scope waits for losers. Without a scope they end on their own. A loser's defect is logged at Effect's `UnhandledLogLevel`; its failure
 * is not.
 *
 * **Gotchas**
 *
 * An attempt that cannot be interrupted goes on, with all that it does. Hedges inside of hedges multiply.
 *
 * @since 0.1.0
 */
import * as Array from "effect/Array"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { SlidingPercentile } from "./internal/hedgeLatency.ts"
import { type Plan, race } from "./internal/hedgeRace.ts"
import { checkCount, checkMillis } from "./internal/options.ts"

/**
 * What all calls can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long the call may take, whatever the attempts do; above 0. Default: as long as they do. */
  readonly within?: Duration.Input | undefined
  /** A name for its metrics (label `name`); there should be few of them. Latency is kept with a name only. Default: no label. */
  readonly name?: string | undefined
}

/**
 * How `firstSuccess` starts its attempts.
 *
 * @category models
 * @since 0.1.0
 */
export interface FirstSuccessOptions extends Options {
  /**
   * How long after one attempt the next one starts; a failure starts it at once, as addresses are tried by RFC 8305. `Infinity` waits for
   * the failure. Default 0: all at once.
   */
  readonly delay?: Duration.Input | undefined
}

/**
 * How much more than one attempt there may be. A `RetryBudget` is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Budget {
  /** Notes a call, its first attempt. */
  readonly call?: Effect.Effect<void> | undefined
  /** Takes one extra from the budget, and answers whether there was one. It should answer at once. */
  readonly tryExtra: Effect.Effect<boolean>
}

/**
 * How long calls take, and so how long one waits before its extra attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Latency {
  /** What a call waits now; infinite where it does not know. */
  readonly delay: Effect.Effect<Duration.Duration>
  /** Notes a call, in milliseconds. `hedged` does it. */
  readonly took: (millis: number) => Effect.Effect<void>
}

/**
 * When a call is made again while it runs.
 *
 * @category models
 * @since 0.1.0
 */
export interface HedgedOptions extends Options {
  /** You say that the effect may run twice: a read, or a write that the other side makes only once. */
  readonly idempotent: true
  /**
   * How long after one attempt the next one starts, or what measures it; a failure starts it at once. `Infinity` waits for the failure.
   */
  readonly delay: Duration.Input | Latency
  /** How many extra attempts: 1 or more. Default 1. */
  readonly max?: number | undefined
  /** Asked before each extra attempt; where it has none, this call makes no more. Default: no bound but `max`. */
  readonly budget?: Budget | undefined
}

/**
 * From which percentile a call counts as slow.
 *
 * @category models
 * @since 0.1.0
 */
export interface LatencyOptions {
  /** Above 0 and below 1: with 0.95 about one call in twenty has an extra attempt. */
  readonly percentile: number
  /** How few calls say nothing yet: 1 to 1,024. Default: those of which one is beyond the percentile, 20 for 0.95. */
  readonly samples?: number | undefined
  /** What a call waits until then. Default: `Infinity`, no extra attempt. */
  readonly initial?: Duration.Input | undefined
  /** What a call waits at least, above 0. Default 1 millisecond. */
  readonly floor?: Duration.Input | undefined
}

/**
 * All attempts have failed. See why in `causes`, in the order of the attempts; a defect is one of them too. Try later, or elsewhere.
 *
 * @category errors
 * @since 0.1.0
 */
export class AllFailed<E> extends Data.TaggedError("AllFailed")<{
  readonly causes: ReadonlyArray<Cause.Cause<E>>
}> {
  override get message(): string {
    return `All ${this.causes.length} attempts failed${why(this.causes)}`
  }
}

/**
 * So many have failed that too few are left to agree. See why in `causes`, in the order of the effects.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoQuorum<E> extends Data.TaggedError("NoQuorum")<{
  /** How many had to succeed. */
  readonly need: number
  /** How many there were. */
  readonly of: number
  readonly causes: ReadonlyArray<Cause.Cause<E>>
}> {
  override get message(): string {
    return `${this.causes.length} of ${this.of} failed, where ${this.need} must succeed${why(this.causes)}`
  }
}

/**
 * The time of the call is over; its attempts were interrupted and may have had effects. Give it more time, or try later. `causes` are of
 * those that had failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoneInTime<E> extends Data.TaggedError("NoneInTime")<{
  readonly causes: ReadonlyArray<Cause.Cause<E>>
}> {
  override get message(): string {
    return `The time was over before enough attempts succeeded${why(this.causes)}`
  }
}

/**
 * There was nothing to try.
 *
 * @category errors
 * @since 0.1.0
 */
export class NothingToTry extends Schema.TaggedError<NothingToTry>()("NothingToTry", {}) {
  override get message(): string {
    return "There is no effect among which the first to succeed could be: give at least one"
  }
}

const why = (causes: ReadonlyArray<Cause.Cause<unknown>>): string =>
  causes.length === 0 ? "" : `: ${causes.map((cause) => String(Cause.squash(cause))).join("; ")}`

/**
 * The first success of several effects, all at once or one after the other. Fails with `AllFailed` when all have failed, with
 * `NothingToTry` if there is none, with `NoneInTime` after `within`, and with `InvalidOption`, before anything starts, if an option means
 * nothing.
 *
 * **Interruption**
 *
 * Interrupts all attempts and waits for their finalizers.
 *
 * **Example** (The first mirror fails, the third is slow)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hedge } from "heddle/flow"
 *
 * const program = Hedge.firstSuccess([
 *   Effect.fail("mirror 1 is away"),
 *   Effect.succeed("from mirror 2"),
 *   Effect.delay(Effect.succeed("from mirror 3"), "1 minute")
 * ])
 *
 * await Effect.runPromise(program) // => "from mirror 2"
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export function firstSuccess<A, E, R>(
  effects: Iterable<Effect.Effect<A, E, R>>,
  options?: FirstSuccessOptions & { readonly within?: undefined }
): Effect.Effect<A, AllFailed<E> | NothingToTry | InvalidOption, R>
export function firstSuccess<A, E, R>(
  effects: Iterable<Effect.Effect<A, E, R>>,
  options: FirstSuccessOptions
): Effect.Effect<A, AllFailed<E> | NoneInTime<E> | NothingToTry | InvalidOption, R>
export function firstSuccess<A, E, R>(
  effects: Iterable<Effect.Effect<A, E, R>>,
  options: FirstSuccessOptions = {}
): Effect.Effect<A, AllFailed<E> | NoneInTime<E> | NothingToTry | InvalidOption, R> {
  return Effect.suspend((): Effect.Effect<A, AllFailed<E> | NoneInTime<E> | NothingToTry | InvalidOption, R> => {
    const all = Array.fromIterable(effects)
    const delay = checkMillis("delay", options.delay ?? 0)
    if (delay instanceof InvalidOption) return Effect.fail(delay)
    if (!Array.isReadonlyArrayNonEmpty(all)) return Effect.fail(new NothingToTry())
    const fails: Fails<E, AllFailed<E> | NoneInTime<E>> = (reason, causes) =>
      reason === "failed" ? new AllFailed({ causes }) : new NoneInTime({ causes })
    return Effect.map(raced("Hedge.firstSuccess", options, { ...of(all), need: 1, delay, fails }), first)
  })
}

/**
 * Runs an effect, and runs it once more when it has not ended after `delay`, up to `max` times: the first success. Fails with `AllFailed`
 * when all attempts have failed, with `NoneInTime` after `within`, and with `InvalidOption`, before anything starts, if an option means
 * nothing.
 *
 * **Details**
 *
 * Where the delay is measured, each call's first attempt counts: with what it took, or, if it was given up after the delay, with the time
 * until then. Extra attempts and failures do not count, which would make calls look faster than they are. The idea is from "The tail at
 * scale" (J. Dean, L. A. Barroso).
 *
 * **Interruption**
 *
 * Interrupts all attempts and waits for their finalizers.
 *
 * **Example** (The second attempt overtakes)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hedge } from "heddle/flow"
 *
 * let calls = 0
 * const price = Effect.suspend(() =>
 *   ++calls === 1 ? Effect.delay(Effect.succeed("late"), "1 minute") : Effect.succeed("in time")
 * )
 * const program = Hedge.hedged(price, { idempotent: true, delay: "5 millis" })
 *
 * await Effect.runPromise(program) // => "in time"
 * calls // => 2
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export function hedged<A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: HedgedOptions & { readonly within?: undefined }
): Effect.Effect<A, AllFailed<E> | InvalidOption, R>
export function hedged<A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: HedgedOptions
): Effect.Effect<A, AllFailed<E> | NoneInTime<E> | InvalidOption, R>
export function hedged<A, E, R>(
  effect: Effect.Effect<A, E, R>,
  options: HedgedOptions
): Effect.Effect<A, AllFailed<E> | NoneInTime<E> | InvalidOption, R> {
  return Effect.gen(function*() {
    const { budget, max = 1 } = options
    const wrong = checkCount("max", max) ?? finite("max", max)
    if (wrong !== undefined) return yield* wrong
    const latency = isLatency(options.delay) ? options.delay : undefined
    const delay = checkMillis("delay", isLatency(options.delay) ? yield* options.delay.delay : options.delay)
    if (delay instanceof InvalidOption) return yield* delay
    const noted = budget?.call === undefined ? effect : Effect.andThen(budget.call, effect)
    const fails: Fails<E, AllFailed<E> | NoneInTime<E>> = (reason, causes) =>
      reason === "failed" ? new AllFailed({ causes }) : new NoneInTime({ causes })
    const plan = { attempt: (index: number) => index === 0 ? noted : effect, total: 1 + max, need: 1, delay, fails }
    return first(
      yield* raced("Hedge.hedged", options, { ...plan, mayStart: budget?.tryExtra, firstTook: latency?.took })
    )
  })
}

/**
 * The first `need` successes of several effects that start at once, in the order in which they come. Fails with `NoQuorum` as soon as too
 * few are left, and at once if there never were enough; with `NoneInTime` after `within`, and with `InvalidOption`, before anything
 * starts, if an option means nothing.
 *
 * **Interruption**
 *
 * Interrupts all attempts and waits for their finalizers.
 *
 * **Example** (Two of three replicas)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hedge } from "heddle/flow"
 *
 * const program = Hedge.quorum(2)([Effect.succeed("v7"), Effect.never, Effect.succeed("v8")])
 *
 * await Effect.runPromise(program) // => ["v7", "v8"]
 * ```
 *
 * @category calls
 * @since 0.1.0
 */
export function quorum(
  need: number,
  options?: Options & { readonly within?: undefined }
): <A, E, R>(
  effects: Iterable<Effect.Effect<A, E, R>>
) => Effect.Effect<ReadonlyArray<A>, NoQuorum<E> | InvalidOption, R>
export function quorum(
  need: number,
  options: Options
): <A, E, R>(
  effects: Iterable<Effect.Effect<A, E, R>>
) => Effect.Effect<ReadonlyArray<A>, NoQuorum<E> | NoneInTime<E> | InvalidOption, R>
export function quorum(need: number, options: Options = {}) {
  return <A, E, R>(
    effects: Iterable<Effect.Effect<A, E, R>>
  ): Effect.Effect<ReadonlyArray<A>, NoQuorum<E> | NoneInTime<E> | InvalidOption, R> =>
    Effect.suspend(() => {
      const all = Array.fromIterable(effects)
      const wrong = checkCount("need", need) ?? finite("need", need)
      if (wrong !== undefined) return Effect.fail(wrong)
      const fails: Fails<E, NoQuorum<E> | NoneInTime<E>> = (reason, causes) =>
        reason === "failed" ? new NoQuorum({ need, of: all.length, causes }) : new NoneInTime({ causes })
      if (all.length < need) return Effect.fail(fails("failed", []))
      return raced("Hedge.quorum", options, { ...of(all), need, delay: 0, fails })
    })
}

/**
 * Measures how long calls take, for all `hedged` that share it: the percentile of the last 1,024, no more than 5 % too high. Fails with
 * `InvalidOption` if an option is out of its range.
 *
 * **Example** (Nothing is known yet)
 *
 * ```ts
 * import { Duration, Effect } from "effect"
 * import { Hedge } from "heddle/flow"
 *
 * const program = Effect.gen(function*() {
 *   const latency = yield* Hedge.latency({ percentile: 0.95, initial: "50 millis" })
 *   return Duration.toMillis(yield* latency.delay)
 * })
 *
 * await Effect.runPromise(program) // => 50
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const latency = (options: LatencyOptions): Effect.Effect<Latency, InvalidOption> =>
  Effect.suspend(() => {
    const { percentile } = options
    const samples = options.samples ?? Math.min(1024, Math.round(1 / (1 - percentile)))
    const initial = checkMillis("initial", options.initial ?? Infinity)
    const floor = checkMillis("floor", options.floor ?? 1)
    if (!(percentile > 0 && percentile < 1)) return invalid("percentile", "must be above 0 and below 1")
    if (!(Number.isInteger(samples) && samples >= 1 && samples <= 1024)) {
      return invalid("samples", "must be a whole number from 1 to 1,024")
    }
    if (initial instanceof InvalidOption) return Effect.fail(initial)
    if (floor instanceof InvalidOption) return Effect.fail(floor)
    if (floor === 0 || floor === Infinity) return invalid("floor", "must be a finite duration above 0")
    const last = new SlidingPercentile()
    return Effect.succeed({
      delay: Effect.sync(() => Duration.millis(last.size < samples ? initial : Math.max(floor, last.of(percentile)))),
      took: (millis: number) => Effect.sync(() => last.add(millis))
    })
  })

type Fails<E, F> = Plan<never, E, never, F>["fails"]

const of = <A, E, R>(all: ReadonlyArray<Effect.Effect<A, E, R>>) => ({
  attempt: (index: number): Effect.Effect<A, E, R> => all[index] ?? Effect.never,
  total: all.length
})

type Rest<A, E, R, F> = Omit<Plan<A, E, R, F>, "within" | "name" | "mayStart" | "firstTook"> & {
  readonly mayStart?: Effect.Effect<boolean> | undefined
  readonly firstTook?: ((millis: number) => Effect.Effect<void>) | undefined
}

const raced = <A, E, R, F>(
  span: string,
  { name, within: limit = Infinity }: Options,
  { firstTook = () => Effect.void, mayStart = Effect.succeed(true), ...rest }: Rest<A, E, R, F>
): Effect.Effect<ReadonlyArray<A>, F | InvalidOption, R> => {
  const within = checkMillis("within", limit)
  if (within instanceof InvalidOption) return Effect.fail(within)
  if (within === 0) return invalid("within", "must be a duration above 0, or Infinity")
  return race(span, { ...rest, mayStart, firstTook, name, within })
}

const first = <A>(wins: ReadonlyArray<A>): A => Array.getUnsafe(wins, 0)

const finite = (option: string, count: number): InvalidOption | undefined =>
  count === Infinity ? new InvalidOption({ option, message: `${option} must be finite` }) : undefined

const invalid = (option: string, message: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(new InvalidOption({ option, message: `${option} ${message}` }))

const isLatency = (delay: Duration.Input | Latency): delay is Latency => typeof delay === "object" && "took" in delay
