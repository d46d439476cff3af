import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { Alarm } from "../Alarm.ts"
import { LeaseLost } from "../Lease.ts"
import type { StoreUnavailable } from "../Lease.ts"
import type { Claim, Granted } from "../LeaseBackend.ts"
import type { LeaseMetrics } from "./leaseMetrics.ts"

/** What a keeper has to know of what it keeps. */
export interface Kept {
  readonly id: string
  /** What it is called where its loss is told. */
  readonly resource: string
  /** Milliseconds. */
  readonly ttl: number
}

/** Extends all that are still held: for each its new `until`, or undefined where the store does not know it. */
export type Renew<C> = (
  kept: ReadonlyArray<C>
) => Effect.Effect<ReadonlyArray<number | undefined>, StoreUnavailable>

/**
 * A granted claim while it is held. `until` is the monotonic instant (ms) up to which it is proved alive; it moves
 * forward with each renewal and is -Infinity once the lease is over.
 */
export class Hold<C extends Kept = Claim> {
  claim: C
  readonly token: bigint
  until: number
  renewAt: number
  over: LeaseLost["reason"] | undefined
  /** What to interrupt when the lease is lost. */
  running: Set<() => void> | undefined
  constructor(claim: C, granted: Pick<Granted, "token" | "until">, now: number) {
    this.claim = claim
    this.token = granted.token
    this.until = granted.until
    this.renewAt = now + (granted.until - now) / 3
    this.over = undefined
    this.running = undefined
  }
  lost(token: bigint): LeaseLost {
    return new LeaseLost({ resource: this.claim.resource, token, reason: this.over ?? "expired" })
  }
}

/**
 * Keeps every held lease of one store: renews those that are due in one step, a third into their time, and ends those
 * whose deadline passes. One fiber for all, but for the renewals on their way.
 */
export class Keeper<C extends Kept = Claim> {
  readonly holds = new Map<string, Hold<C>>()
  private readonly renewAll: Renew<C>
  private readonly placeOf: ((kept: C) => unknown) | undefined
  readonly metrics: LeaseMetrics
  readonly alarm: Alarm<Scope.Scope>
  readonly now: () => number
  /** When the clock was last looked at for a hold. */
  looked = -Infinity
  private readonly renewing = new Set<Hold<C>>()
  /** Those who wait for a grant, and until when. */
  private readonly waits = new Set<{ readonly until: number; readonly giveUp: () => void }>()
  /** `placeOf`: what is kept in one place is renewed together, and fails together. Without it all is. */
  constructor(
    renewAll: Renew<C>,
    clock: Clock.Clock,
    metrics: LeaseMetrics,
    placeOf?: (kept: C) => unknown
  ) {
    this.renewAll = renewAll
    this.placeOf = placeOf
    this.metrics = metrics
    this.alarm = new Alarm(clock, this.look)
    this.now = this.alarm.now
  }

  add(hold: Hold<C>): void {
    this.holds.set(hold.claim.id, hold)
    this.alarm.ring(hold.renewAt)
  }

  end(hold: Hold<C>, reason: LeaseLost["reason"]): void {
    if (hold.over !== undefined) return
    hold.over = reason
    hold.until = -Infinity
    this.holds.delete(hold.claim.id)
    if (reason === "released") return
    this.metrics.lost(reason)
    for (const interrupt of hold.running ?? []) interrupt()
  }

  /** Whether the hold is alive now; one that is found past its deadline ends here. */
  isAlive(hold: Hold<C>): boolean {
    const now = this.now()
    this.looked = now
    if (hold.until > now) return true
    this.end(hold, "expired")
    return false
  }

  /**
   * Waits for the effect until an instant, then gives it up for the other. A race with a timer would cost two fibers and
   * a timer a wait; here it is one fiber, and the keeper's own timer.
   */
  within<A, E, E2>(
    effect: Effect.Effect<A, E>,
    until: number,
    orElse: Effect.Effect<never, E2>
  ): Effect.Effect<A, E | E2> {
    if (until === Infinity) return effect
    return Effect.contextWith((context: Context.Context<never>) =>
      Effect.callback<A, E | E2>((resume) => {
        const fiber = Effect.runForkWith(context)(effect)
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return resume(exit)
        const leave = Effect.suspend(() => {
          stop()
          this.waits.delete(wait)
          return Fiber.interrupt(fiber)
        })
        const wait = { until, giveUp: () => resume(Effect.andThen(leave, orElse)) }
        const stop = fiber.addObserver((exit) => {
          this.waits.delete(wait)
          resume(exit)
        })
        this.waits.add(wait)
        this.alarm.ring(until)
        return leave
      })
    )
  }

  /** Ends what is overdue, starts the renewal of what is due, and tells when to look again. */
  private readonly look = Effect.suspend(() => {
    const now = this.now()
    const due: Array<Hold<C>> = []
    let next = Infinity
    for (const hold of this.holds.values()) {
      if (!this.isAlive(hold)) continue
      next = Math.min(next, hold.until)
      if (this.renewing.has(hold)) continue
      // Those that are nearly due come along, so that many leases need few round trips.
      if (hold.renewAt <= now + hold.claim.ttl / 12) due.push(hold)
      else next = Math.min(next, hold.renewAt)
    }
    for (const wait of this.waits) {
      if (wait.until <= now) wait.giveUp()
      else next = Math.min(next, wait.until)
    }
    if (due.length === 0) return Effect.succeed(next)
    for (const hold of due) this.renewing.add(hold)
    const { placeOf } = this
    const places = placeOf === undefined ? [due] : Map.groupBy(due, ({ claim }) => placeOf(claim)).values()
    return Effect.as(Effect.forEach(places, (all) => Effect.forkScoped(this.renew(all)), { discard: true }), next)
  })

  private readonly renew = (due: ReadonlyArray<Hold<C>>): Effect.Effect<void> =>
    Effect.match(this.renewAll(due.map((hold) => hold.claim)), {
      onFailure: () => this.notRenewed(due),
      onSuccess: (untils) => due.forEach((hold, index) => this.renewed(hold, untils[index]))
    }).pipe(Effect.ensuring(Effect.sync(() => {
      for (const hold of due) {
        this.renewing.delete(hold)
        if (hold.over === undefined) this.alarm.ring(hold.renewAt)
      }
    })))

  private renewed(hold: Hold<C>, until: number | undefined): void {
    if (hold.over !== undefined) return
    if (until === undefined) return this.end(hold, "revoked")
    this.metrics.renewed("renewed", 1)
    const now = this.now()
    hold.until = Math.max(hold.until, until)
    hold.renewAt = now + (hold.until - now) / 3
  }

  private notRenewed(due: ReadonlyArray<Hold<C>>): void {
    this.metrics.renewed("failed", due.length)
    const now = this.now()
    for (const hold of due) hold.renewAt = now + Math.min(hold.claim.ttl / 10, 1000)
  }
}
