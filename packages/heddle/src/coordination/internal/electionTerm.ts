import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import type { Leadership } from "../LeaderElection.ts"
import type { InvalidClaim, Lease, StoreUnavailable } from "../Lease.ts"
import { LeaseLost } from "../Lease.ts"

const terms = Metric.counter("heddle_election_terms_total", {
  description: "Terms that this process has won",
  incremental: true
})
const leading = Metric.gauge("heddle_election_leading", { description: "Terms that this process leads now" })

/** A lease as the one who leads sees it. */
export class Term implements Leadership {
  static readonly make = (lease: Lease, backend: string): Effect.Effect<Term> =>
    Effect.contextWith((context: Context.Context<never>) => Effect.succeed(new Term(lease, backend, context)))

  private readonly lease: Lease
  private readonly left: () => void
  private over = false
  /** Fails once the term is being given up. */
  private readonly down = Deferred.makeUnsafe<never, LeaseLost>()
  private readonly idle = Latch.makeUnsafe(true)
  private running = 0
  private resigners = 0
  constructor(lease: Lease, backend: string, context: Context.Context<never>) {
    this.lease = lease
    Metric.withAttributes(terms, { backend }).updateUnsafe(1, context)
    const gauge = Metric.withAttributes(leading, { backend })
    gauge.modifyUnsafe(1, context)
    this.left = () => gauge.modifyUnsafe(-1, context)
  }
  get id(): string {
    return this.lease.id
  }
  get term(): bigint {
    return this.lease.token
  }
  isLeader(): boolean {
    return !Deferred.isDoneUnsafe(this.down) && this.lease.isAlive()
  }
  run<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return Effect.suspend(() => {
      this.running++
      this.idle.closeUnsafe()
      return Effect.ensuring(
        Effect.raceFirst(this.lease.run(effect), Deferred.await(this.down)),
        Effect.sync(() => this.ended())
      )
    })
  }
  guard<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return Effect.suspend((): Effect.Effect<A, E | LeaseLost, R> =>
      Deferred.isDoneUnsafe(this.down) ? Effect.fail(this.lost) : this.lease.guard(effect)
    )
  }
  proclaim(value: string): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable> {
    return this.guard(this.lease.update(value))
  }
  get resign(): Effect.Effect<void, StoreUnavailable> {
    const out = Effect.suspend(() => {
      this.resigners++
      Deferred.doneUnsafe(this.down, Effect.fail(this.lost))
      return Effect.andThen(this.idle.await, Effect.suspend(() => this.lease.release))
    })
    return Effect.ensuring(out, Effect.sync(() => this.resigners--))
  }
  /** Gives the term up without waiting for the store: the last word on it, whatever ended it. */
  resignUnsafe(): void {
    this.lease.releaseUnsafe()
    if (!this.over) this.left()
    this.over = true
  }
  private get lost(): LeaseLost {
    return new LeaseLost({ resource: this.lease.resource, token: this.term, reason: "released" })
  }
  /** Who resigned from inside is interrupted by now, and waits for nothing any more. */
  private ended(): void {
    if (--this.running > 0) return
    this.idle.openUnsafe()
    if (this.resigners === 0 && Deferred.isDoneUnsafe(this.down)) this.lease.releaseUnsafe()
  }
}
