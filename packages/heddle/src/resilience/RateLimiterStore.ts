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
import { Machines } from "./internal/Machines.ts"
import type { Decision, Rule } from "./RateMachine.ts"

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
  /** Takes turns of a key at once, where they are counted in this process: 0 if one was taken, or how long until there is one. */
  readonly takeUnsafe?: (key: string, rule: Rule) => (cost: number) => number
  /** Gives a turn back. `at` is what the decision said. */
  readonly refund: (request: Omit<Request, "patience">, at: number) => Effect.Effect<void, StoreUnavailable>
}>()("heddle/RateLimiterStore") {}

/**
 * Counts in this process, on its monotonic clock. Keys that have nothing to remember are dropped: every sixteenth call looks at 32.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<RateLimiterStore> = Layer.effect(
  RateLimiterStore,
  Effect.map(Clock.Clock, (clock) => {
    const machines = new Machines(monotonic(clock))
    return {
      backend: "memory",
      reserve: (request) => Effect.sync(() => machines.reserve(request)),
      takeUnsafe: (key, rule) => machines.taking(key, rule),
      refund: ({ cost, key }, at) => Effect.sync(() => machines.refund(key, at, cost))
    }
  })
)
