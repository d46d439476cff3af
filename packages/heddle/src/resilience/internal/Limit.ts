import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { StoreUnavailable } from "../../coordination/Lease.ts"
import { type Tally, tally } from "../../internal/Tally.ts"
import type { WhenDown } from "../RateLimiter.ts"
import type { RateLimiterStore } from "../RateLimiterStore.ts"
import { RateMachine, type Rule } from "../RateMachine.ts"
import { RateLimited } from "./RateLimited.ts"
import { withoutStack } from "./refusal.ts"

const decisionsOf = tally("heddle_rate_limiter_decisions_total", {
  description:
    "Decisions: granted, refused by the store, refused as it was still known, made without the store as it was down",
  type: "counter",
  label: "limiter",
  by: "decision",
  zero: { granted: 0, refused: 0, remembered: 0, down: 0 }
})

export interface Settings {
  readonly name: string
  readonly rule: Rule
  readonly whenDown: WhenDown
  readonly store: RateLimiterStore["Service"]
  readonly now: () => number
  readonly context: Context.Context<never>
}

/** A turn, and how to give it back. */
export interface Turn {
  readonly wait: number
  /** Gives so much of it back. */
  readonly refund: (cost: number) => Effect.Effect<void>
}

interface Refused {
  readonly until: number
  readonly cost: number
}

/** How many refusals are remembered before those that are over are forgotten. */
const many = 10_000

/** One limit on a store: remembers refusals, and decides alone while the store is down. */
export class Limit {
  private readonly settings: Settings
  private readonly counts: Tally<"granted" | "refused" | "remembered" | "down">
  private readonly refused = new Map<string, Refused>()
  private readonly alone = new Map<string, RateMachine>()
  constructor(settings: Settings) {
    this.settings = settings
    this.counts = decisionsOf(settings.context, settings.name)
  }

  reserve(key: string, cost: number, patience: number): Effect.Effect<Turn, RateLimited | StoreUnavailable> {
    return Effect.suspend(() => {
      const { name, now, rule, store } = this.settings
      const known = this.refused.get(key)
      if (known !== undefined) {
        const left = known.until - now()
        // Who costs less, or waits longer, may get what the other did not.
        if (left > patience && cost >= known.cost) {
          this.counts.remembered++
          return Effect.fail(this.refusal(key, left))
        }
        if (left <= 0) this.refused.delete(key)
      }
      const request = { key: `${name}/${key}`, rule, cost, patience }
      return Effect.matchEffect(store.reserve(request), {
        onFailure: (error) => this.without(error, key, cost, patience),
        onSuccess: (decision): Effect.Effect<Turn, RateLimited> => {
          if (decision._tag === "Refused") {
            this.counts.refused++
            this.remember(key, { until: now() + decision.retryAfter, cost })
            return Effect.fail(this.refusal(key, decision.retryAfter))
          }
          this.counts.granted++
          return Effect.succeed({
            wait: decision.wait,
            refund: (cost) => Effect.ignore(store.refund({ ...request, cost }, decision.at))
          })
        }
      })
    })
  }

  /** Waits for a turn; one that is not waited for goes back. */
  turn(key: string, cost: number, patience: number): Effect.Effect<void, RateLimited | StoreUnavailable> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        this.reserve(key, cost, patience),
        ({ refund, wait }) =>
          wait <= 0 ? Effect.void : Effect.onInterrupt(restore(Effect.sleep(Math.ceil(wait))), () => refund(cost))
      )
    )
  }

  private without(
    error: StoreUnavailable,
    key: string,
    cost: number,
    patience: number
  ): Effect.Effect<Turn, RateLimited | StoreUnavailable> {
    const { now, rule, whenDown } = this.settings
    this.counts.down++
    if (whenDown === "fail") return Effect.fail(error)
    if (whenDown === "allow") return Effect.succeed({ wait: 0, refund: () => Effect.void })
    const part = (whole: number) => Math.max(1, Math.floor(whole * whenDown.share))
    if (this.alone.size > many) this.alone.clear()
    let machine = this.alone.get(key)
    if (machine === undefined) {
      this.alone.set(key, machine = new RateMachine({ ...rule, limit: part(rule.limit), burst: part(rule.burst) }))
    }
    const counter = machine
    const decision = counter.reserve(now(), Math.min(cost, part(rule.limit)), patience)
    if (decision._tag === "Refused") return Effect.fail(this.refusal(key, decision.retryAfter))
    return Effect.succeed({
      wait: decision.wait,
      refund: (cost) => Effect.sync(() => counter.refund(decision.at, cost))
    })
  }

  private remember(key: string, refused: Refused): void {
    if (this.refused.size >= many) {
      const now = this.settings.now()
      for (const [key, { until }] of this.refused) if (until <= now) this.refused.delete(key)
      if (this.refused.size >= many) this.refused.clear()
    }
    this.refused.set(key, refused)
  }

  private refusal(key: string, retryAfter: number): RateLimited {
    return withoutStack(() => new RateLimited({ limiter: this.settings.name, key, retryAfter }))
  }
}
