/**
 * Counts the turns of rate limiters on a Redis server, for a fleet.
 *
 * **Details**
 *
 * The truth is one key a limit and key, written by one script that reads the server's clock: one round trip a decision, on whatever node of
 * a cluster the key lies. With `gcra` it is a number, with `window` a list of the grants of the last `per`; both vanish when there is
 * nothing to remember.
 *
 * **Gotchas**
 *
 * - A decision whose answer is lost may have taken a turn, which is lost then.
 * - After a failover the new primary may not know the last turns: so many more may go, once.
 * - `window` looks at the grants of the last `per` from the newest on: for limits of many thousands fetch them with
 *   `RateLimiter.leased`, which is one grant for many, or use `gcra`.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Lease } from "heddle/coordination"
import { RateLimiterStore, type RateMachine } from "heddle/resilience"
import { escape } from "./internal/leaseKeys.ts"
import { rateScript } from "./internal/rateScript.ts"
import { unavailable } from "./internal/unavailable.ts"
import * as Redis from "./Redis.ts"

/**
 * How the turns are counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreOptions {
  /** What all keys on the server begin with. Default `heddle`. */
  readonly prefix?: string | undefined
}

/**
 * How the turns are counted, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StoreOptions, Redis.Options {}

/**
 * Counts on a connection that other stores may share.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFrom = (
  { prefix = "heddle" }: StoreOptions = {}
): Layer.Layer<RateLimiterStore.RateLimiterStore, never, Redis.Redis> =>
  Layer.effect(
    RateLimiterStore.RateLimiterStore,
    Effect.map(Redis.Redis, ({ address, commands }) => {
      const call = (
        key: string,
        args: ReadonlyArray<string | number>
      ): Effect.Effect<unknown, Lease.StoreUnavailable> =>
        Effect.tryPromise({
          try: () => {
            const rest = [1, `${escape(prefix)}:rate:{${escape(key)}}`, ...args]
            return commands.call("evalsha", [rateScript.sha, ...rest]).catch((error: unknown) => {
              if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error
              return commands.call("eval", [rateScript.lua, ...rest])
            })
          },
          catch: (error) => unavailable(address, error)
        })
      const wordsOf = ({ algorithm, limit, per }: RateMachine.Rule) => [algorithm, limit, per]
      return {
        backend: "redis",
        reserve: ({ cost, key, patience, rule }) =>
          Effect.flatMap(
            call(key, ["reserve", ...wordsOf(rule), rule.burst, cost, Math.min(patience, 1e15)]),
            decisionOf(address)
          ),
        refund: ({ cost, key, rule }, at) =>
          Effect.asVoid(call(key, ["refund", ...wordsOf(rule), cost, at.toFixed(3), rule.burst]))
      }
    })
  )

const decisionOf =
  (address: string) => (reply: unknown): Effect.Effect<RateMachine.Decision, Lease.StoreUnavailable> => {
    const [granted, one, two] = Array.isArray(reply) ? reply : []
    if (granted === 1) return Effect.succeed({ _tag: "Granted", at: Number(one), wait: Number(two) })
    if (granted === 0) return Effect.succeed({ _tag: "Refused", retryAfter: Number(one) })
    return Effect.fail(
      new Lease.StoreUnavailable({
        backend: "redis",
        message: `Redis at ${address} answered what no script of Heddle does`
      })
    )
  }

/**
 * Counts on a server, with connections of its own. Fails when the server cannot be reached or refuses the password.
 *
 * **Example**
 *
 * ```ts no-run
 * import { RedisRateLimiterStore } from "@heddle/redis"
 * import { Effect } from "effect"
 * import { RateLimiter } from "heddle/resilience"
 *
 * const program = Effect.gen(function*() {
 *   const api = yield* RateLimiter.make({ name: "api", limit: 100, per: "1 minute" })
 *   yield* api.take({ key: "customer/7" })
 * })
 * await Effect.runPromise(program.pipe(
 *   Effect.provide(RedisRateLimiterStore.layer({ url: "redis://127.0.0.1" }))
 * ))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<RateLimiterStore.RateLimiterStore, Lease.StoreUnavailable> =>
  Layer.provide(layerFrom(options), Redis.layer(options))

/**
 * `layer`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<RateLimiterStore.RateLimiterStore, Lease.StoreUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
