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

/** What is known of a key. */
interface Known {
  /** Its name in the store. */
  readonly key: string
  /** Takes a turn at once, where the store does that. */
  readonly take: ((cost: number) => number) | undefined
  /** Until when whoever costs so much is refused. */
  until: number
  cost: number
}

/** How many keys are known before those that are not refused are forgotten. */
const many = 10_000

const free = { wait: 0, refund: () => Effect.void }

/** One limit on a store: remembers refusals, and decides alone while the store is down. */
export class Limit {
  private readonly settings: Settings
  private readonly counts: Tally<"granted" | "refused" | "remembered" | "down">
  private readonly known = new Map<string, Known>()
  private readonly alone = new Map<string, RateMachine>()
  constructor(settings: Settings) {
    this.settings = settings
    this.counts = decisionsOf(settings.context, settings.name)
  }

  /** Goes now or not at all. */
  take(key: string, cost: number): Effect.Effect<void, RateLimited | StoreUnavailable> {
    let known: Known | undefined
    return Effect.suspend(() => {
      known ??= this.knownOf(key)
      const refusal = this.remembered(key, known, cost, 0)
      if (refusal !== undefined) return refusal
      const wait = known.take?.(cost)
      if (wait === undefined) return Effect.asVoid(this.reserve(key, cost, 0))
      if (wait > 0) return this.refuse(key, known, cost, wait)
      this.counts.granted++
      return Effect.void
    })
  }

  reserve(key: string, cost: number, patience: number): Effect.Effect<Turn, RateLimited | StoreUnavailable> {
    return Effect.suspend(() => {
      const { rule, store } = this.settings
      const known = this.knownOf(key)
      const refusal = this.remembered(key, known, cost, patience)
      if (refusal !== undefined) return refusal
      const request = { key: known.key, rule, cost, patience }
      return Effect.matchEffect(store.reserve(request), {
        onFailure: (error) => this.without(error, key, cost, patience),
        onSuccess: (decision): Effect.Effect<Turn, RateLimited> => {
          if (decision._tag === "Refused") return this.refuse(key, known, cost, decision.retryAfter)
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
    if (whenDown === "allow") return Effect.succeed(free)
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

  /** Whether the refusal of before still holds. Who costs less, or waits longer, may get what the other did not. */
  private remembered(
    key: string,
    known: Known,
    cost: number,
    patience: number
  ): Effect.Effect<never, RateLimited> | undefined {
    if (known.until === -Infinity || cost < known.cost) return undefined
    const left = known.until - this.settings.now()
    if (left <= patience) return undefined
    this.counts.remembered++
    return Effect.fail(this.refusal(key, left))
  }

  private refuse(key: string, known: Known, cost: number, retryAfter: number): Effect.Effect<never, RateLimited> {
    this.counts.refused++
    known.until = this.settings.now() + retryAfter
    known.cost = cost
    return Effect.fail(this.refusal(key, retryAfter))
  }

  private knownOf(key: string): Known {
    const found = this.known.get(key)
    if (found !== undefined) return found
    if (this.known.size >= many) {
      const now = this.settings.now()
      for (const [key, { until }] of this.known) if (until <= now) this.known.delete(key)
      if (this.known.size >= many) this.known.clear()
    }
    const { name, rule, store } = this.settings
    const known = {
      key: `${name}/${key}`,
      take: store.takeUnsafe?.(`${name}/${key}`, rule),
      until: -Infinity,
      cost: 0
    }
    this.known.set(key, known)
    return known
  }

  private refusal(key: string, retryAfter: number): RateLimited {
    return withoutStack(() => new RateLimited({ limiter: this.settings.name, key, retryAfter }))
  }
}
