import * as Effect from "effect/Effect"
import type { GrantedLease, Steps } from "../KvBackend.ts"
import type { KvLease } from "../KvEntry.ts"
import type { LeaseLost, StoreUnavailable } from "../Lease.ts"
import { runHeld } from "./leaseGuard.ts"
import { Hold, type Keeper, type Kept } from "./leaseKeeper.ts"

/** A lease that keys are bound to, as its owner sees it. Such a lease fences nothing: its token is 0. */
export class HeldKvLease implements KvLease {
  readonly id: string
  readonly ttl: number
  private readonly hold: Hold<Kept>
  private readonly keeper: Keeper<Kept>
  private readonly steps: Steps
  private back = false
  constructor({ id, ttl, until }: GrantedLease, keeper: Keeper<Kept>, steps: Steps) {
    this.id = id
    this.ttl = ttl
    this.keeper = keeper
    this.steps = steps
    this.hold = new Hold({ id, resource: `lease ${id}`, ttl }, { token: 0n, until }, keeper.now())
    keeper.add(this.hold)
  }
  get lost(): LeaseLost {
    return this.hold.lost(0n)
  }
  get release(): Effect.Effect<void, StoreUnavailable> {
    return Effect.uninterruptibleMask((restore) =>
      this.end()
        ? Effect.onInterrupt(restore(this.steps.revoke(this.id)), () =>
          Effect.sync(() => this.steps.revokeUnsafe(this.id)))
        : Effect.void
    )
  }
  isAlive(): boolean {
    return this.keeper.isAlive(this.hold)
  }
  guard<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return Effect.suspend((): Effect.Effect<A, E | LeaseLost, R> => this.isAlive() ? effect : Effect.fail(this.lost))
  }
  run<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return runHeld(this.keeper, this.hold, 0n, effect)
  }
  releaseUnsafe(): void {
    if (this.end()) this.steps.revokeUnsafe(this.id)
  }
  /** The store said that it does not know the lease. */
  revoked(): LeaseLost {
    this.keeper.end(this.hold, "revoked")
    return this.lost
  }
  private end(): boolean {
    if (this.back) return false
    this.back = true
    this.keeper.end(this.hold, "released")
    return true
  }
}
