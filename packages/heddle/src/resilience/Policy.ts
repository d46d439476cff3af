/**
 * Puts what guards a call into one value: timeout, retry, breaker, bulkhead, limiter, hedge, fallback, cache.
 *
 * Each of them is a layer around the call, and their order decides what they mean: a timeout around a retry bounds all attempts, a
 * retry around a timeout makes another attempt of each that was too slow. A policy is the list of its layers, outermost first. It
 * is a value: it can be composed with others, described, drawn, asked for the most that it costs, looked through for mistakes,
 * and exchanged while calls run.
 *
 * **When to use**
 *
 * Where several guards stand around the same calls, or where the guards of several calls should be the same. For one guard, call
 * its own `run`.
 *
 * **Details**
 *
 * `compose` computes the failures of a call exactly: what a layer adds, less what a layer further out takes away. A composition
 * obeys two laws: how it is bracketed makes no difference, and `none` changes nothing.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { type AllFailed, hedged, type HedgedOptions } from "../flow/Hedge.ts"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import type { AdaptiveLimiter, LimitReached } from "./AdaptiveLimiter.ts"
import type { Bulkhead, BulkheadFull, BulkheadTimeout } from "./Bulkhead.ts"
import type { CircuitBreaker, CircuitOpen } from "./CircuitBreaker.ts"
import { type DeadlineExceeded, within } from "./Deadline.ts"
import { checked, positive, share, text, toMillis, whole } from "./internal/check.ts"
import { cached, Key } from "./internal/policyCache.ts"
import { draw, inWords, write } from "./internal/policyPicture.ts"
import { composed, hasTag, reigning, typed } from "./internal/policyRun.ts"
import type { Composed, Fitting, Left } from "./internal/policyTypes.ts"
import { findMistakes } from "./internal/policyWarnings.ts"
import type { CallOptions, RateLimiter, Refusal } from "./RateLimiter.ts"
import type { Retry } from "./Retry.ts"

/**
 * A policy. Of its types, `Adds` are the failures that it adds to a call's, `Removes` those that it takes away, `Accepts` those
 * that a call may have, `Value` what it may answer in the place of a call, and `R` what it needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy<out Adds = never, in Removes = never, in Accepts = unknown, out Value = never, out R = never> {
  /** Its layers, outermost first. */
  readonly layers: ReadonlyArray<Layer>
  /**
   * Runs a call inside of all layers.
   *
   * **Interruption**
   *
   * As that of its layers: the call is interrupted, and what it held is given back.
   */
  readonly run: <A, E extends Accepts, R1>(
    call: Effect.Effect<A, E, R1>
  ) => Effect.Effect<A | Value, Left<E, Removes> | Adds, R | R1>
}

/**
 * A policy, whatever it does with failures and values.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly layers: ReadonlyArray<Layer>
}

/**
 * What a layer is.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind =
  | "timeout"
  | "retry"
  | "circuit breaker"
  | "bulkhead"
  | "limiter"
  | "rate limiter"
  | "hedge"
  | "fallback"
  | "cache"
  | "faults"
  | "other"

/**
 * One layer of a policy, as far as it can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Layer {
  readonly kind: Kind
  readonly name: string
  /** A few words about its settings, if there is something to say. */
  readonly detail?: string | undefined
  /** What is shared by all who use it, such as a breaker: one and the same in two layers is a mistake. */
  readonly of?: object | undefined
  /** Whether it answers every failure, so that what is outside of it sees none. */
  readonly answersAll?: boolean | undefined
  /** The most that a call costs with it, of the most that what is inside of it costs. */
  readonly worst: (inner: Worst) => Worst
}

/**
 * The most that one call of a policy costs: how often the call is made, and how many milliseconds it all takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Worst {
  readonly attempts: number
  readonly millis: number
}

/**
 * A mistake in a policy.
 *
 * - `Multiplies`: a retry is around another retry or a hedge, so that a call is made as often as their product.
 * - `NeverOver`: a timeout is not shorter than one around it, or than the caller's deadline, and so never ends anything.
 * - `Twice`: one breaker, bulkhead or limiter is in two layers: it counts each call twice, or waits for itself. Or there are two caches:
 *   the outer one takes the key, so the inner one keeps nothing.
 * - `Uncounted`: the only timeout is outside of a breaker, which then takes calls that hang for ones whose caller gave up.
 * - `Hidden`: a fallback answers all failures before a retry or a breaker around it sees one.
 * - `Kept`: a cache keeps what a fallback or faults inside of it answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Warning {
  readonly mistake: "Multiplies" | "NeverOver" | "Twice" | "Uncounted" | "Hidden" | "Kept"
  /** Where, from 0, outermost first: the outer layer, and the inner one if there are two. */
  readonly layers: ReadonlyArray<number>
  readonly message: string
}

/**
 * The policy that does nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Policy = { layers: [], run: (call) => call }

/**
 * A policy of one layer, from whatever runs a call inside of itself. It says what it is, and the most that it costs. Name the
 * failures that it adds: `Policy.layer<Refused>({ … }, mine.run)`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const layer = <Adds = never, Value = never, R = never>(
  self: Layer,
  run: <A, E, R1>(call: Effect.Effect<A, E, R1>) => Effect.Effect<A | Value, E | Adds, R | R1>
): Policy<Adds, never, unknown, Value, R> => ({ layers: [self], run })

/**
 * Ends what is inside of it when so much time is over, with `DeadlineExceeded`. It is a deadline: what is inside knows of it.
 *
 * Fails with `InvalidOption` unless the time is finite and above 0.
 *
 * @category constructors
 * @since 0.1.0
 */
export const timeout = (
  time: Duration.Input,
  name = "timeout"
): Effect.Effect<Policy<DeadlineExceeded>, InvalidOption> => {
  const millis = toMillis(time)
  const bounds = within(millis, name)
  return Effect.as(
    checked([positive("time", millis), text("name", name)]),
    layer(
      {
        kind: "timeout",
        name,
        detail: inWords(millis),
        worst: (inner) => ({ ...inner, millis: Math.min(inner.millis, millis) })
      },
      (call) => bounds(call)
    )
  )
}

/**
 * Makes what is inside of it again when it fails.
 *
 * @category constructors
 * @since 0.1.0
 */
export const retry = <E>(retry: Retry<E>): Policy<never, never, E> => ({
  layers: [{
    kind: "retry",
    name: retry.name,
    detail: `${retry.attempts} attempts`,
    of: retry,
    worst: ({ attempts, millis }) => ({
      attempts: attempts * retry.attempts,
      millis: retry.attempts * millis + (retry.attempts - 1) * retry.longest
    })
  }],
  run: retry.run
})

/**
 * Refuses calls while a circuit is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const breaker = <E>(breaker: CircuitBreaker<E>): Policy<CircuitOpen, never, E> => ({
  layers: [{ kind: "circuit breaker", name: breaker.name, of: breaker, worst: (inner) => inner }],
  run: breaker.run
})

/**
 * Runs calls in the places of a bulkhead.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bulkhead = (bulkhead: Bulkhead): Policy<BulkheadFull | BulkheadTimeout> =>
  layer({
    kind: "bulkhead",
    name: bulkhead.name,
    detail: bulkhead.longest === 0 ? "nobody waits" : `waits ${inWords(bulkhead.longest)}`,
    of: bulkhead,
    worst: ({ attempts, millis }) => ({ attempts, millis: millis + bulkhead.longest })
  }, bulkhead.run)

/**
 * Refuses calls beyond what the dependency bears at the moment.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limiter = <E>(limiter: AdaptiveLimiter<never, E>): Policy<LimitReached, never, E> => ({
  layers: [{ kind: "limiter", name: limiter.name, of: limiter, worst: (inner) => inner }],
  run: limiter.run
})

/**
 * Lets no more calls go in a time than a rule allows, as `RateLimiter.run` does: a call waits for its turn, for `waitFor` at most (default
 * 30 seconds, 0 refuses at once). All calls count under `key`.
 *
 * A `leased` limiter does not wait, and has no `run`: make a `layer` of its `take`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rateLimiter = (
  limiter: RateLimiter,
  options: CallOptions & { readonly waitFor?: Duration.Input | undefined } = {}
): Policy<Refusal> => {
  const { waitFor = "30 seconds" } = options
  const millis = toMillis(waitFor)
  const bounds = limiter.run({ ...options, waitFor: millis })
  return layer({
    kind: "rate limiter",
    name: limiter.name,
    detail: millis === 0 ? "nobody waits" : `waits ${inWords(millis)}`,
    of: limiter,
    worst: (inner) => ({ ...inner, millis: inner.millis + millis })
  }, (call) => bounds(call))
}

/**
 * How answers are kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface CacheOptions<Value> {
  /** 1 to 200 characters. */
  readonly name: string
  /** How long an answer is kept. */
  readonly timeToLive: Duration.Input
  /** How many answers are kept; beyond that, the one that was asked for least recently goes. Default 1,000. */
  readonly most?: number | undefined
  /** Which answers are kept, for example `Schema.is(Answer)`: what it says is the type of what comes back. */
  readonly keeps: (value: unknown) => value is Value
}

/**
 * Under which key the answer of a call is kept by a `cache`. Calls without one go past it.
 *
 * @category references
 * @since 0.1.0
 */
export const CacheKey: Context.Reference<string | undefined> = Key

/**
 * Answers a call again from what the last one of its key answered. The key is that of the caller's context: `CacheKey`. Failures are not
 * kept. It keeps them in this process.
 *
 * **Details**
 *
 * Calls of one key that come while the first one runs wait for it, and share its answer. Where it fails or is interrupted, each of
 * them makes its own call. What is inside of the cache has no key.
 *
 * Fails with `InvalidOption` if an option is out of its range.
 *
 * **Interruption**
 *
 * Who waits leaves. When the first one is interrupted, those who wait for it make their own calls.
 *
 * **Example** (One call, two answers)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Policy } from "heddle/resilience"
 *
 * let calls = 0
 * const program = Effect.gen(function*() {
 *   const keeps = Schema.is(Schema.String)
 *   const cache = yield* Policy.cache({ name: "names", timeToLive: "1 minute", keeps })
 *   const name = (id: string) =>
 *     cache.run(Effect.sync(() => `user ${id}, call ${++calls}`)).pipe(
 *       Effect.provideService(Policy.CacheKey, id)
 *     )
 *   return yield* Effect.all([name("7"), name("7"), name("8")])
 * })
 *
 * await Effect.runPromise(program) // => ["user 7, call 1", "user 7, call 1", "user 8, call 2"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cache = <Value>(
  options: CacheOptions<Value>
): Effect.Effect<Policy<never, never, unknown, Value>, InvalidOption> => {
  const { keeps, most = 1000, name } = options
  const timeToLive = toMillis(options.timeToLive)
  return Effect.andThen(
    checked([text("name", name), positive("timeToLive", timeToLive), whole("most", most, 1)]),
    Effect.map(cached({ most, timeToLive, keeps }), (kept): Policy<never, never, unknown, Value> => ({
      layers: [{
        kind: "cache",
        name,
        detail: `keeps ${inWords(timeToLive)}`,
        // A call may wait for another one, and then be made itself.
        worst: (inner) => ({ ...inner, millis: 2 * inner.millis })
      }],
      run: kept.run
    }))
  )
}

/**
 * Makes what is inside of it again when it is slow, as `Hedge.hedged` does. When all attempts have failed it fails with
 * `AllFailed`, in the place of their failures.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hedge = (
  name: string,
  options: Omit<HedgedOptions, "name" | "within">
): Policy<AllFailed<unknown> | InvalidOption, unknown> => {
  const { delay, max = 1 } = options
  const wait = typeof delay === "object" && "took" in delay ? Infinity : toMillis(delay)
  return typed(
    () => [{
      kind: "hedge",
      name,
      detail: `${max + 1} attempts`,
      worst: ({ attempts, millis }) => ({
        attempts: attempts * (max + 1),
        millis: millis + max * Math.min(wait, millis)
      })
    }],
    (call) => hedged(call, { ...options, name })
  )
}

/**
 * Does something else when what is inside of it fails, whatever the failure. How long that takes is not in the worst case.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fallback = <A2, E2 = never, R2 = never>(
  name: string,
  use: (error: unknown) => Effect.Effect<A2, E2, R2>
): Policy<E2, unknown, unknown, A2, R2> => ({
  layers: [{ kind: "fallback", name, answersAll: true, worst: (inner) => inner }],
  run: (call) => call.pipe(Effect.catch(use))
})

/**
 * Does something else when what is inside of it fails with one of some tags.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fallbackFor = <const Tag extends string, A2, E2 = never, R2 = never>(
  name: string,
  tags: ReadonlyArray<Tag>,
  use: (error: { readonly _tag: Tag }) => Effect.Effect<A2, E2, R2>
): Policy<E2, { readonly _tag: Tag }, unknown, A2, R2> =>
  typed(
    () => [{ kind: "fallback", name, detail: tags.join(", "), worst: (inner) => inner }],
    (call) => call.pipe(Effect.catch((error) => hasTag(tags, error) ? use(error) : Effect.fail(error)))
  )

/**
 * Which faults to bring in, each in a share of the calls, above 0 and up to 1. Latency comes first; a call that fails, or is
 * answered, is not made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Faults<out E = never, out Value = never> {
  /** 1 to 200 characters. */
  readonly name: string
  readonly latency?: { readonly rate: number; readonly time: Duration.Input } | undefined
  readonly failure?: { readonly rate: number; readonly error: E } | undefined
  readonly outcome?: { readonly rate: number; readonly value: Value } | undefined
}

/**
 * Makes calls slow, fail, or answer something else, to see what the layers around it do about that. It draws from Effect's
 * `Random`: under `Random.withSeed` the same calls meet the same faults.
 *
 * Fails with `InvalidOption` if an option is out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const faults = <E = never, Value = never>(
  options: Faults<E, Value>
): Effect.Effect<Policy<E, never, unknown, Value>, InvalidOption> => {
  const { failure, latency, name, outcome } = options
  const millis = latency === undefined ? 0 : toMillis(latency.time)
  const rates = [share("latency.rate", latency?.rate ?? 1), share("failure.rate", failure?.rate ?? 1)]
  const checks = [text("name", name), ...rates, share("outcome.rate", outcome?.rate ?? 1)]
  if (latency !== undefined) checks.push(positive("latency.time", millis))
  const met = (fault: { readonly rate: number } | undefined) =>
    fault === undefined ? Effect.succeed(false) : Effect.map(Random.next, (drawn) => drawn < fault.rate)
  const delay = Effect.flatMap(met(latency), (late) => late ? Effect.sleep(millis) : Effect.void)
  const fate = Effect.all([met(failure), met(outcome)])
  return Effect.as(
    checked(checks),
    layer<E, Value>(
      { kind: "faults", name, worst: (inner) => ({ ...inner, millis: inner.millis + millis }) },
      <A, E1, R>(call: Effect.Effect<A, E1, R>) =>
        Effect.flatMap(Effect.andThen(delay, fate), ([fails, answers]): Effect.Effect<A | Value, E | E1, R> => {
          if (fails && failure !== undefined) return Effect.fail(failure.error)
          return answers && outcome !== undefined ? Effect.succeed(outcome.value) : call
        })
    )
  )
}

/**
 * One policy of many, outermost first. What does not accept the failures that those inside of it add is a type error.
 *
 * **Example** (Three attempts, each of them bounded, and an answer in any case)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Policy, Retry } from "heddle/resilience"
 *
 * const program = Effect.gen(function*() {
 *   const policy = Policy.compose(
 *     Policy.fallback("from the cache", () => Effect.succeed("an old answer")),
 *     Policy.retry(yield* Retry.make({ name: "search", times: 2, longest: "1 milli" })),
 *     yield* Policy.timeout("50 millis")
 *   )
 *   const answer = yield* policy.run(Effect.fail("down"))
 *   return [answer, Policy.worst(policy)]
 * })
 *
 * await Effect.runPromise(program) // => ["an old answer", { attempts: 3, millis: 152 }]
 * ```
 *
 * @category composing
 * @since 0.1.0
 */
export const compose = <const Policies extends ReadonlyArray<Any>>(
  ...policies: Policies & Fitting<Policies>
): Composed<Policies> => composed(policies)

/**
 * The most that one call costs, of how many milliseconds the call itself takes at most. Default: any time.
 *
 * @category looking at policies
 * @since 0.1.0
 */
export const worst = (policy: Any, millis = Infinity): Worst =>
  policy.layers.reduceRight<Worst>((inner, layer) => layer.worst(inner), { attempts: 1, millis })

/**
 * The mistakes in a policy, under a caller who has so many milliseconds, as `Deadline.remaining` says. Default: any time.
 *
 * @category looking at policies
 * @since 0.1.0
 */
export const warnings = (policy: Any, deadline = Infinity): ReadonlyArray<Warning> =>
  findMistakes(policy.layers, deadline)

/**
 * A policy in words, one line a layer, and as a Mermaid flowchart.
 *
 * @category looking at policies
 * @since 0.1.0
 */
export const describe = (policy: Any): { readonly text: string; readonly mermaid: string } => ({
  text: write(policy.layers, worst(policy)),
  mermaid: draw(policy.layers)
})

/**
 * A policy that can be exchanged for another of the same type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchangeable<
  in out Adds = never,
  in out Removes = never,
  in out Accepts = unknown,
  in out Value = never,
  in out R = never
> {
  /** Runs each call under the policy of the moment at which it begins; its layers are those of now. */
  readonly policy: Policy<Adds, Removes, Accepts, Value, R>
  /**
   * Calls that begin from now on run under another policy. Ends when the calls that ran under the one before have ended, each
   * under the policy with which it began.
   *
   * **Interruption**
   *
   * It is not waited any longer; the policy stays exchanged.
   */
  readonly exchange: (other: Policy<Adds, Removes, Accepts, Value, R>) => Effect.Effect<void>
}

/**
 * Makes a policy exchangeable, as where its settings come from a configuration that changes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const exchangeable = <Adds, Removes, Accepts, Value, R>(
  first: Policy<Adds, Removes, Accepts, Value, R>
): Effect.Effect<Exchangeable<Adds, Removes, Accepts, Value, R>> => Effect.sync(() => reigning(first))
