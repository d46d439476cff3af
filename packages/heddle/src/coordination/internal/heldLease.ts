import * as Effect from "effect/Effect"
import type { InvalidClaim, Lease, LeaseLost, StoreUnavailable } from "../Lease.ts"
import type { Change, Steps } from "../LeaseBackend.ts"
import { runHeld } from "./leaseGuard.ts"
import type { Hold, Keeper } from "./leaseKeeper.ts"
import { checkPermits, checkValue } from "./leaseRequest.ts"

/** A hold as its holder sees it. */
export class HeldLease implements Lease {
  readonly token: bigint
  private readonly kept: Hold
  private readonly keeper: Keeper
  private readonly steps: Steps
  private back = false
  constructor(kept: Hold, token: bigint, keeper: Keeper, steps: Steps) {
    this.kept = kept
    this.token = token
    this.keeper = keeper
    this.steps = steps
  }
  get id() {
    return this.kept.claim.id
  }
  get resource() {
    return this.kept.claim.resource
  }
  get owner() {
    return this.kept.claim.owner
  }
  get permits() {
    return this.kept.claim.permits
  }
  /** It goes out whatever comes: an interruption ends the wait, also that of the section it is called from. */
  get release() {
    return Effect.uninterruptibleMask((restore) => {
      if (!this.end()) return Effect.void
      const { kept: { claim }, steps } = this
      return Effect.onInterrupt(restore(steps.release(claim)), () => Effect.sync(() => steps.releaseUnsafe(claim)))
    })
  }
  isAlive(): boolean {
    return this.keeper.isAlive(this.kept)
  }
  /** Whether it was alive when the clock was last looked at: since it was granted, and since each end of what ran under it. */
  wasAlive(): boolean {
    return this.kept.until > this.keeper.looked
  }
  /** An instant since then, at most now: that of the look where both clocks are one, which saves another. */
  recently(now: () => number): number {
    return now === this.keeper.now ? this.keeper.looked : now()
  }
  guard<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return Effect.suspend((): Effect.Effect<A, E | LeaseLost, R> =>
      this.isAlive() ? effect : Effect.fail(this.kept.lost(this.token))
    )
  }
  run<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return runHeld(this.keeper, this.kept, this.token, effect)
  }
  update(value: string): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable> {
    const wrong = checkValue(value)
    return wrong === undefined ? this.change({ value }) : Effect.fail(wrong)
  }
  shrink(permits: number): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable> {
    const wrong = checkPermits(permits, this.permits)
    if (wrong !== undefined) return Effect.fail(wrong)
    const shrunk = () => {
      this.kept.claim = { ...this.kept.claim, permits }
    }
    return Effect.tap(this.change({ permits }), () => Effect.sync(shrunk))
  }
  private change(change: Change): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable> {
    return this.guard(Effect.flatMap(this.steps.update(this.kept.claim, change), (known) => {
      if (known) return Effect.void
      this.keeper.end(this.kept, "revoked")
      return Effect.fail(this.kept.lost(this.token))
    }))
  }
  pass(): Lease | undefined {
    const next = this.token + 1n
    const end = this.kept.token + BigInt(this.kept.claim.tokens)
    return next < end && this.isAlive() ? new HeldLease(this.kept, next, this.keeper, this.steps) : undefined
  }
  releaseUnsafe(): void {
    if (this.end()) this.steps.releaseUnsafe(this.kept.claim)
  }
  /** A lost lease is given back as well: the store may not know yet, and what ran under it is over. */
  private end(): boolean {
    if (this.kept.over === "released" || this.back) return false
    this.back = true
    this.keeper.end(this.kept, "released")
    return true
  }
}
