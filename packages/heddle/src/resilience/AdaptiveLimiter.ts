/**
 * Finds out how many calls at once a dependency bears, and refuses the rest.
 *
 * A limit that somebody chose is wrong as soon as the dependency is scaled, or has a bad day. This one follows what the calls
 * themselves show: it grows while they are as fast as without load, and shrinks when they wait in a queue at the other end or
 * are dropped.
 *
 * **When to use**
 *
 * In front of a dependency that many call and whose capacity changes. Where the number is known and stays, a `Bulkhead` is
 * enough, and it lets callers wait.
 *
 * **Details**
 *
 * Calls are looked at in windows; a call counts in the window in which it began, so that what it shows is due to the limit that it
 * met. After each window the rule makes a limit of the one before: `gradient`, from the ratio of the latency without load to the
 * latency now, or `aimd`, from a latency that is too much.
 *
 * **Gotchas**
 *
 * A timeout outside of `run` interrupts the call, which says nothing about the dependency. Put it inside: then it is a drop.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { byTag } from "./internal/adaptiveOutcome.ts"
import { AdaptivePlaces, Partition } from "./internal/AdaptivePlaces.ts"
import { type Check, checked, positive, share, text, toMillis, whole } from "./internal/check.ts"
import { LimitReached } from "./internal/LimitReached.ts"
import { additive, gradient as gradientOf } from "./internal/limitRule.ts"

export { LimitReached }

/**
 * What the end of a call says about the dependency: its latency counts (`success`), it had too much (`dropped`), or nothing
 * (`ignored`).
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = "success" | "dropped" | "ignored"

/**
 * How the next limit is found.
 *
 * @category models
 * @since 0.1.0
 */
export type Rule = Aimd | Gradient

/**
 * Additive increase, multiplicative decrease.
 *
 * @category models
 * @since 0.1.0
 */
export interface Aimd {
  readonly _tag: "Aimd"
  /** The mean latency above which the limit shrinks. */
  readonly slow: Duration.Input
  /** What is left of the limit then, at least a half and below 1. Default 0.9. */
  readonly backoff?: number | undefined
}

/**
 * The ratio of the latency without load to the latency now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gradient {
  readonly _tag: "Gradient"
  /** How many times the latency without load is still fine, 1 or more. Default 1.2. */
  readonly tolerance?: number | undefined
}

/**
 * One more where calls are fast, a tenth less where they are slow: where you know what is slow.
 *
 * @category constructors
 * @since 0.1.0
 */
export const aimd = (options: Omit<Aimd, "_tag">): Rule => ({ _tag: "Aimd", ...options })

/**
 * Follows the latency that the dependency has without load, which it finds out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const gradient = (options?: Omit<Gradient, "_tag">): Rule => ({ _tag: "Gradient", ...options })

/**
 * How the limit is found and shared. `P` are the names of the partitions, `E` is what the calls fail with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<P extends string = never, in E = unknown> {
  /** Names the dependency in errors and as the metrics' label `limiter`: 1 to 200 characters. */
  readonly name: string
  /** Default `gradient()`. */
  readonly rule?: Rule | undefined
  /** The lowest limit, 1 or more. Default 1. */
  readonly least?: number | undefined
  /** The highest limit. Default 200. */
  readonly most?: number | undefined
  /** The limit at first. Default 20, or what is nearest to it from `least` to `most`. */
  readonly start?: number | undefined
  /** How long a window is, at least. Default 100 ms. */
  readonly window?: Duration.Input | undefined
  /** How many calls a window shows, at least. Default 10. */
  readonly samples?: number | undefined
  /**
   * What the end of a call says. Default: a success counts; timeouts and refusals of Heddle and Effect are drops; any other
   * failure, and interruption, says nothing.
   */
  readonly classify?: ((exit: Exit.Exit<unknown, E>) => Outcome) | undefined
  /** The share of the limit that is each one's for certain, above 0, 1 together at most. What one does not use is lent. */
  readonly partitions?: { readonly [Name in P]: number } | undefined
}

/**
 * How it stands at this moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Occupancy {
  readonly running: number
  readonly limit: number
}

/**
 * A limit that calls share.
 *
 * @category models
 * @since 0.1.0
 */
export interface AdaptiveLimiter<in P extends string = never, in E = unknown> {
  readonly name: string
  /**
   * Runs a call if there is a place, and nobody's share is needed for it.
   *
   * **Interruption**
   *
   * The call is interrupted, which says nothing about the dependency; its place comes free when it has ended.
   */
  readonly run: <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>) => Effect.Effect<A, E1 | LimitReached, R>
  /** The same for the calls of a partition: they find a place while there is one, or while they have less than their share. */
  readonly partition: (
    name: P
  ) => <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>) => Effect.Effect<A, E1 | LimitReached, R>
  readonly occupancy: Effect.Effect<Occupancy>
}

/**
 * An adaptive limiter of this process. Fails with `InvalidOption` if an option is out of its range.
 *
 * **Details**
 *
 * While a partition takes back what others have borrowed, more run than the limit says, up to its share; they become fewer as
 * calls end.
 *
 * **Example** (At most the limit, and then a refusal)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AdaptiveLimiter } from "heddle/resilience"
 *
 * const program = Effect.gen(function*() {
 *   const search = yield* AdaptiveLimiter.make({ name: "search", start: 2 })
 *   const query = search.run(Effect.as(Effect.sleep("1 milli"), "found")).pipe(
 *     Effect.catchTag("LimitReached", ({ limit }) => Effect.succeed(`${limit} run`))
 *   )
 *   return yield* Effect.all([query, query, query], { concurrency: "unbounded" })
 * })
 *
 * await Effect.runPromise(program) // => ["found", "found", "2 run"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const P extends string = never, E = unknown>(
  options: Options<P, E>
): Effect.Effect<AdaptiveLimiter<P, E>, InvalidOption> => {
  const { classify = byTag, least = 1, most = 200, name, samples = 10, start = Math.min(most, Math.max(least, 20)) } =
    options
  const window = toMillis(options.window ?? 100)
  const { rule = gradient() } = options
  const shares = Object.entries<number>(options.partitions ?? {})
  const checks: Array<Check> = [
    text("name", name),
    whole("least", least, 1),
    whole("most", most, least),
    whole("start", start, least, most),
    whole("samples", samples, 1),
    positive("window", window),
    ...checksOf(rule),
    ...shares.map(([name, part]) => share(`partitions.${name}`, part)),
    {
      field: "partitions",
      must: "be shares of 1 together at most",
      holds: shares.reduce((sum, [, part]) => sum + part, 0) <= 1 + 1e-9
    }
  ]
  return Effect.andThen(
    checked(checks),
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.sync((): AdaptiveLimiter<P, E> => {
        const settings = { name, least, most, start, window, samples, rule: ruleOf(rule), classify }
        const places = new AdaptivePlaces(settings, context)
        const none = new Partition(0)
        const partitions = new Map(shares.map(([name, part]) => [name, new Partition(part)]))
        return {
          name,
          run: (call) => places.run(call, none),
          partition: (name) => {
            const mine = partitions.get(name) ?? none
            return (call) => places.run(call, mine)
          },
          occupancy: Effect.sync(() => ({ running: places.running, limit: Math.floor(places.limit) }))
        }
      })
    )
  )
}

const checksOf = (rule: Rule): ReadonlyArray<Check> => {
  if (rule._tag === "Gradient") {
    const { tolerance = 1.2 } = rule
    return [{ field: "rule.tolerance", must: "be 1 or more", holds: tolerance >= 1 && tolerance < Infinity }]
  }
  const { backoff = 0.9, slow } = rule
  const holds = backoff >= 0.5 && backoff < 1
  return [
    positive("rule.slow", toMillis(slow)),
    { field: "rule.backoff", must: "be at least a half and below 1", holds }
  ]
}

const ruleOf = (rule: Rule) =>
  rule._tag === "Aimd" ? additive(toMillis(rule.slow), rule.backoff ?? 0.9) : gradientOf(rule.tolerance ?? 1.2)
