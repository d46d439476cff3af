/**
 * Where the turns of rate limiters are counted: in this process, or for a fleet.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { StoreUnavailable } from "../coordination/Lease.ts"
import { monotonic } from "../internal/monotonic.ts"
import { type Decision, RateMachine, type Rule } from "./RateMachine.ts"

/**
 * What is asked of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly key: string
  readonly rule: Rule
  readonly cost: number
  /** How far away the turn may be, in milliseconds. */
  readonly patience: number
}

/**
 * Counts turns. All who name a key name the same rule.
 *
 * @category services
 * @since 0.1.0
 */
export class RateLimiterStore extends Context.Service<RateLimiterStore, {
  /** The backend's name, as errors tell it. */
  readonly backend: string
  /** Takes a turn in one trip, on the store's clock. */
  readonly reserve: (request: Request) => Effect.Effect<Decision, StoreUnavailable>
  /** Gives a turn back. `at` is what the decision said. */
  readonly refund: (request: Omit<Request, "patience">, at: number) => Effect.Effect<void, StoreUnavailable>
}>()("heddle/RateLimiterStore") {}

/**
 * Counts in this process, on its monotonic clock. Keys that have nothing to remember are dropped: each call looks at two.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<RateLimiterStore> = Layer.effect(
  RateLimiterStore,
  Effect.map(Clock.Clock, (clock) => {
    const now = monotonic(clock)
    const machines = new Map<string, RateMachine>()
    let looking = machines.entries()
    const tidy = (at: number) => {
      for (let looks = 0; looks < 2; looks++) {
        const { done, value } = looking.next()
        if (done === true) {
          looking = machines.entries()
          return
        }
        if (value[1].isIdle(at)) machines.delete(value[0])
      }
    }
    return {
      backend: "memory",
      reserve: ({ cost, key, patience, rule }) =>
        Effect.sync(() => {
          const at = now()
          tidy(at)
          let machine = machines.get(key)
          if (machine === undefined) machines.set(key, machine = new RateMachine(rule))
          return machine.reserve(at, cost, patience)
        }),
      refund: ({ cost, key }, at) => Effect.sync(() => machines.get(key)?.refund(at, cost))
    }
  })
)
