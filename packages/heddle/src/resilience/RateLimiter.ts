/**
 * Lets no more calls go in a time than a rule allows, in one process or in a fleet.
 *
 * **When to use**
 *
 * Where somebody counts your calls (an API with a quota), or where you count those of others (so many requests a customer and minute).
 * Against too many at once, whatever their number in a time, use a `Bulkhead`. In one process and without keys, Effect's own
 * `RateLimiter` is enough.
 *
 * **Details**
 *
 * The turns are counted by a `RateLimiterStore`: `RateLimiterStore.layerMemory`, or that of a backend, on the server's clock. A decision
 * is one trip. A refusal is remembered in this process until it is over, so that who is refused again costs no trip.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoreUnavailable } from "../coordination/Lease.ts"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { monotonic } from "../internal/monotonic.ts"
import { type Check, checked, lasting, positive, share, text, toMillis, whole } from "./internal/check.ts"
import { Limit } from "./internal/Limit.ts"
import { RateLimited } from "./internal/RateLimited.ts"
import { Tokens } from "./internal/Tokens.ts"
import { RateLimiterStore } from "./RateLimiterStore.ts"
import { mostCost, type Rule } from "./RateMachine.ts"

export { RateLimited }

/**
 * What to do when the store cannot be reached: `fail` with `StoreUnavailable`, `allow` every call, or count in this process alone, with a
 * `share` of the limit: one tenth each for a fleet of ten keeps the limit.
 *
 * @category models
 * @since 0.1.0
 */
export type WhenDown = "fail" | "allow" | { readonly share: number }

/**
 * How many calls may go.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Names the limit in the store, in errors and as the metrics' label `limiter`: 1 to 200 characters. */
  readonly name: string
  /** How many go in `per`: 1 or more. */
  readonly limit: number
  readonly per: Duration.Input
  /**
   * `window` (default): never more than `limit` in any span of `per`; remembers the last `per`, in 32 slices if `limit` is above 32. `gcra`: evenly, with a
   * burst after a rest; remembers one number.
   */
  readonly algorithm?: "window" | "gcra" | undefined
  /** For `gcra`: how many may go at once after a rest, 1 or more. Default `limit`. */
  readonly burst?: number | undefined
  /** Default `fail`. */
  readonly whenDown?: WhenDown | undefined
}

/**
 * What one call asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /** Whose calls are counted together, for example a customer: up to 500 characters. Default: all. */
  readonly key?: string | undefined
  /** For how many it counts, 1 to the limit (to `burst` with `gcra`). Default 1. */
  readonly cost?: number | undefined
}

/**
 * Why a call does not go. `InvalidOption`: nothing was asked of the store.
 *
 * @category errors
 * @since 0.1.0
 */
export type Refusal = RateLimited | StoreUnavailable | InvalidOption

/**
 * A turn that was taken.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reservation {
  /** How long to wait for it, in milliseconds. */
  readonly wait: number
  /** Gives it back, for others: once, however often it is run. */
  readonly refund: Effect.Effect<void>
}

/**
 * A limit that calls share.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimiter {
  readonly name: string
  /** Goes now, or fails with `RateLimited`. One trip at most. */
  readonly take: (options?: CallOptions) => Effect.Effect<void, Refusal>
  /**
   * Takes the next turn, and tells how long to wait for it. Fails where that is longer than `waitFor` (default 30 seconds). One trip.
   *
   * **Interruption**
   *
   * The turn may have been taken.
   */
  readonly reserve: (
    options?: CallOptions & { readonly waitFor?: Duration.Input | undefined }
  ) => Effect.Effect<Reservation, Refusal>
  /**
   * Waits for its turn, up to `waitFor` (default 30 seconds), and runs the call.
   *
   * **Interruption**
   *
   * Who waits gives its turn back.
   */
  readonly run: (
    options?: CallOptions & { readonly waitFor?: Duration.Input | undefined }
  ) => <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refusal, R>
}

/**
 * A limit on the store of the context.
 *
 * **Example** (Two a second; the third is told when)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { RateLimiter, RateLimiterStore } from "heddle/resilience"
 *
 * const program = Effect.gen(function*() {
 *   const api = yield* RateLimiter.make({ name: "api", limit: 2, per: "1 second" })
 *   yield* api.take()
 *   yield* api.take()
 *   return yield* Effect.as(api.take(), "went").pipe(
 *     Effect.catchTag("RateLimited", ({ retryAfter }) =>
 *       Effect.succeed(retryAfter > 900 ? "in a second" : "soon"))
 *   )
 * })
 *
 * await Effect.runPromise(
 *   program.pipe(Effect.provide(RateLimiterStore.layerMemory))
 * ) // => "in a second"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<RateLimiter, InvalidOption, RateLimiterStore> =>
  Effect.gen(function*() {
    const { rule, whenDown } = yield* ruleOf(options)
    const limit = yield* limitOf(options.name, rule, whenDown)
    return {
      name: options.name,
      take: (call) => checkedCall(call, rule, (key, cost) => limit.take(key, cost)),
      reserve: (call) =>
        checkedCall(
          call,
          rule,
          (key, cost, patience) =>
            Effect.map(limit.reserve(key, cost, patience), ({ refund, wait }) => {
              let given = false
              const once = Effect.suspend(() => {
                if (given) return Effect.void
                given = true
                return refund(cost)
              })
              return { wait, refund: once }
            })
        ),
      run: (call) => (effect) =>
        Effect.andThen(
          checkedCall(call, rule, (key, cost, patience) => limit.turn(key, cost, patience)),
          effect
        )
    }
  })

/**
 * What `leased` is told beside.
 *
 * @category models
 * @since 0.1.0
 */
export interface LeasedOptions extends Omit<Options, "algorithm" | "burst"> {
  /** How many turns are fetched in one trip. Default: a tenth of `limit`. */
  readonly batch?: number | undefined
}

/**
 * A limit whose turns are fetched many at a time, so that most decisions need no trip.
 *
 * **Details**
 *
 * Never more than `limit` go in any span of `per`, over all who share it. What is fetched is good for a tenth of `per`, and what is not used
 * by then is lost: a limit that few use may let up to a tenth fewer go, and so many as lie with others. When the scope closes, what is
 * left goes back.
 *
 * **Interruption**
 *
 * What is being fetched is there for the next call; the turn of who is interrupted may be lost.
 *
 * @category constructors
 * @since 0.1.0
 */
export const leased = (
  options: LeasedOptions
): Effect.Effect<Pick<RateLimiter, "name" | "take">, InvalidOption, RateLimiterStore | Scope.Scope> =>
  Effect.gen(function*() {
    const { batch = Math.max(1, Math.floor(options.limit / 10)), limit, name } = options
    yield* checked([whole("batch", batch, 1, Math.max(1, limit))])
    const { rule, whenDown } = yield* ruleOf(options)
    const fresh = rule.per / 10
    // What is fetched now is used within `fresh`: so the store counts it over a span that is longer by that.
    const wide = { ...rule, per: rule.per + fresh }
    const tokens = yield* Tokens.make(yield* limitOf(name, wide, whenDown), batch, fresh)
    return {
      name,
      take: (call) => checkedCall(call, { ...rule, limit: batch }, (key, cost) => tokens.take(key, cost))
    }
  })

const limitOf = (name: string, rule: Rule, whenDown: WhenDown): Effect.Effect<Limit, never, RateLimiterStore> =>
  Effect.gen(function*() {
    const now = monotonic(yield* Clock.Clock)
    const context: Context.Context<never> = yield* Effect.context<never>()
    return new Limit({ name, rule, whenDown, store: yield* RateLimiterStore, now, context })
  })

const ruleOf = (
  { algorithm = "window", burst, limit, name, per, whenDown = "fail" }: Options
): Effect.Effect<{ readonly rule: Rule; readonly whenDown: WhenDown }, InvalidOption> => {
  const rule = { algorithm, limit, per: toMillis(per), burst: burst ?? limit }
  const checks: Array<Check> = [
    text("name", name),
    whole("limit", limit, 1),
    positive("per", rule.per),
    whole("burst", rule.burst, 1),
    share("whenDown.share", typeof whenDown === "string" ? 1 : whenDown.share)
  ]
  return Effect.as(checked(checks), { rule, whenDown })
}

const checkedCall = <A, E>(
  { cost = 1, key = "", waitFor = 30_000 }: CallOptions & { readonly waitFor?: Duration.Input | undefined } = {},
  rule: Rule,
  then: (key: string, cost: number, patience: number) => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidOption> => {
  const most = mostCost(rule)
  const patience = toMillis(waitFor)
  const isRight = Number.isInteger(cost) && cost >= 1 && cost <= most && key.length <= 500 && patience >= 0
  if (isRight) return then(key, cost, patience)
  const isKey = { field: "key", must: "have at most 500 characters", holds: key.length <= 500 }
  return Effect.flatMap(
    checked([whole("cost", cost, 1, most), isKey, lasting("waitFor", patience)]),
    () => then(key, cost, patience)
  )
}
