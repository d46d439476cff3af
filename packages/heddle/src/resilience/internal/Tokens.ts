import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { StoreUnavailable } from "../../coordination/Lease.ts"
import { monotonic } from "../../internal/monotonic.ts"
import type { Limit, Turn } from "./Limit.ts"
import type { RateLimited } from "./RateLimited.ts"

/** Turns of one key that were fetched and are not used yet. */
interface Stock {
  left: number
  /** Until when they are good. */
  until: number
  /** Where they came from. */
  turn: Turn | undefined
  readonly fetching: Semaphore.Semaphore
}

/** How many keys are kept before those whose turns are over are dropped. */
const many = 10_000

/** Fetches turns many at a time; one fetch of a key at a time. */
export class Tokens {
  private readonly limit: Limit
  private readonly batch: number
  private readonly fresh: number
  private readonly now: () => number
  private readonly stocks = new Map<string, Stock>()
  private constructor(limit: Limit, batch: number, fresh: number, now: () => number) {
    this.limit = limit
    this.batch = batch
    this.fresh = fresh
    this.now = now
  }

  static readonly make = (limit: Limit, batch: number, fresh: number): Effect.Effect<Tokens, never, Scope.Scope> =>
    Effect.flatMap(Clock.Clock, (clock) => {
      const tokens = new Tokens(limit, batch, fresh, monotonic(clock))
      return Effect.as(Effect.addFinalizer(() => tokens.giveBack), tokens)
    })

  take(key: string, cost: number): Effect.Effect<void, RateLimited | StoreUnavailable> {
    return Effect.suspend(() => {
      const stock = this.stockOf(key)
      if (this.use(stock, cost)) return Effect.void
      const fetched = Effect.suspend(() => this.use(stock, cost) ? Effect.void : this.fetch(key, stock, cost))
      return stock.fetching.withPermit(fetched)
    })
  }

  private use(stock: Stock, cost: number): boolean {
    if (stock.left < cost || stock.until <= this.now()) return false
    stock.left -= cost
    return true
  }

  /** Many, or where so many are not to be had, as many as it takes. */
  private fetch(key: string, stock: Stock, cost: number): Effect.Effect<void, RateLimited | StoreUnavailable> {
    const asked = this.now()
    const fetched = Effect.map(this.limit.reserve(key, this.batch, 0), (turn) => {
      // One's own are taken in the same step: others may use the rest before the next one.
      stock.left = this.batch - cost
      stock.until = asked + this.fresh
      stock.turn = turn
    })
    return Effect.matchEffect(Effect.uninterruptible(fetched), {
      onSuccess: () => Effect.void,
      onFailure: (error) =>
        error._tag === "RateLimited" && cost < this.batch
          ? Effect.asVoid(this.limit.reserve(key, cost, 0))
          : Effect.fail(error)
    })
  }

  private readonly giveBack = Effect.suspend(() => {
    const now = this.now()
    // Who waits for a stock still must not use what goes back.
    const left = [...this.stocks.values()].flatMap((stock) => {
      const { left, turn, until } = stock
      stock.left = 0
      return left > 0 && until > now && turn !== undefined ? [turn.refund(left)] : []
    })
    this.stocks.clear()
    return Effect.all(left, {
      discard: true,
      concurrency: 16
    })
  })

  private stockOf(key: string): Stock {
    const found = this.stocks.get(key)
    if (found !== undefined) return found
    if (this.stocks.size >= many) {
      const now = this.now()
      for (const [key, { until }] of this.stocks) if (until <= now) this.stocks.delete(key)
    }
    const stock = { left: 0, until: -Infinity, turn: undefined, fetching: Semaphore.makeUnsafe(1) }
    this.stocks.set(key, stock)
    return stock
  }
}
