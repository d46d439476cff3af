import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidClaim, LeaseTimeout, LimitMismatch, StoreUnavailable } from "../Lease.ts"
import type { ClaimError, ClaimRequest, Lease, Look, Restore, TryClaimError } from "../Lease.ts"
import type { Backend, Claim, Granted, Steps } from "../LeaseBackend.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import { bounded } from "./bounded.ts"
import { HeldLease } from "./heldLease.ts"
import { Hold, Keeper } from "./leaseKeeper.ts"
import { leaseMetrics } from "./leaseMetrics.ts"
import { checkLimit, checkRequest, checkResource } from "./leaseRequest.ts"
import type { CheckedRequest } from "./leaseRequest.ts"

export const makeStore = <E, R>(
  backend: Backend<E, R>
): Effect.Effect<LeaseStore["Service"], E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const context = yield* Effect.context<never>()
    const session = yield* makeSession
    const metrics = leaseMetrics(backend.backend, context)
    const steps = yield* backend.steps(session, (id) => {
      const hold = keeper.holds.get(id)
      if (hold !== undefined) keeper.end(hold, "revoked")
    })
    const keeper: Keeper = new Keeper(steps.renew, clock, metrics, steps.placeOf)
    yield* Effect.forkScoped(keeper.alarm.run)
    return new Claims(backend, session, steps, keeper)
  })

/** 104 random bits: unique among all stores that ever share a backend. */
const makeSession = Effect.map(
  Effect.all([Random.next, Random.next]),
  (parts) => parts.map((part) => Math.floor(part * 2 ** 52).toString(36)).join("")
)

/** One store's service. */
class Claims {
  readonly backend: string
  private readonly options: Pick<Backend<never, never>, "owner" | "timeout">
  private readonly session: string
  private readonly steps: Steps
  private readonly keeper: Keeper
  private count = 0
  constructor(
    options: Pick<Backend<never, never>, "backend" | "owner" | "timeout">,
    session: string,
    steps: Steps,
    keeper: Keeper
  ) {
    this.backend = options.backend
    this.options = options
    this.session = session
    this.steps = steps
    this.keeper = keeper
  }

  readonly claim = (request: ClaimRequest): Effect.Effect<Lease, ClaimError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) => Effect.tap(this.acquire(request, restore), releaseWithScope))

  readonly tryClaim = (request: ClaimRequest): Effect.Effect<Option.Option<Lease>, TryClaimError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.tap(
        this.tryAcquire(request, restore),
        Option.match({ onNone: () => Effect.void, onSome: releaseWithScope })
      )
    )

  readonly acquire = (request: ClaimRequest, restore: Restore, began?: Look): Effect.Effect<Lease, ClaimError> =>
    Effect.suspend((): Effect.Effect<Lease, ClaimError> => {
      const checked = checkRequest(request, this.options.owner)
      if (checked instanceof InvalidClaim) return Effect.fail(checked)
      const start = began?.now === this.keeper.now ? began.at : this.keeper.now()
      const claim = this.toClaim(checked, checked.waitFor > 0)
      return Effect.matchCauseEffect(restore(this.ask(claim, checked.waitFor, start)), {
        onFailure: (cause) => this.abandon(claim, cause),
        onSuccess: (answer): Effect.Effect<Lease, ClaimError> => {
          switch (answer._tag) {
            case "Granted":
              return this.hold(claim, answer)
            case "Queued":
              return this.wait(claim, answer.granted, checked.waitFor, start, restore)
            case "Busy":
              return this.timeout(claim, start)
            case "Mismatch":
              return this.mismatch(claim, answer.limit)
          }
        }
      })
    })

  readonly tryAcquire = (
    request: ClaimRequest,
    restore: Restore
  ): Effect.Effect<Option.Option<Lease>, TryClaimError> =>
    Effect.suspend((): Effect.Effect<Option.Option<Lease>, TryClaimError> => {
      const checked = checkRequest(request, this.options.owner)
      if (checked instanceof InvalidClaim) return Effect.fail(checked)
      const claim = this.toClaim(checked, false)
      return Effect.matchCauseEffect(restore(this.steps.ask(claim)), {
        onFailure: (cause) => this.abandon(claim, cause),
        onSuccess: (answer): Effect.Effect<Option.Option<Lease>, TryClaimError> => {
          switch (answer._tag) {
            case "Granted":
              return Effect.map(this.hold(claim, answer), Option.some)
            case "Mismatch":
              return this.mismatch(claim, answer.limit)
            case "Busy":
            case "Queued":
              return Effect.succeedNone
          }
        }
      })
    })

  readonly resize: LeaseStore["Service"]["resize"] = (resource, limit) => {
    const wrong = checkResource(resource) ?? checkLimit(limit)
    return wrong === undefined ? this.steps.resize(resource, limit) : Effect.fail(wrong)
  }

  readonly inspect: LeaseStore["Service"]["inspect"] = (resource) => {
    const wrong = checkResource(resource)
    return wrong === undefined ? this.steps.inspect(resource) : Effect.fail(wrong)
  }

  readonly changes: LeaseStore["Service"]["changes"] = (resource) => {
    const wrong = checkResource(resource)
    return wrong === undefined ? this.steps.changes(resource) : Stream.fail(wrong)
  }

  private toClaim(checked: CheckedRequest, wait: boolean): Claim {
    const { limit, owner, permits, resource, tokens, ttl, value } = checked
    this.count++
    return { id: `${this.session}:${this.count}`, resource, owner, value, permits, limit, tokens, ttl, wait }
  }

  /** Whatever ends a claim before its lease is in the caller's hands takes the claim back. */
  private abandon<E>(claim: Claim, cause: Cause.Cause<E>): Effect.Effect<never, E> {
    this.steps.abandonUnsafe(claim)
    return Effect.failCause(cause)
  }

  /** A step ends by its own time limit; the timer is needed only where the caller's is shorter. */
  private ask(claim: Claim, waitFor: number, start: number) {
    const ask = this.steps.ask(claim)
    return waitFor >= this.options.timeout || waitFor === 0
      ? ask
      : bounded(ask, waitFor, this.timeout(claim, start))
  }

  private wait(
    claim: Claim,
    granted: Effect.Effect<Granted, StoreUnavailable>,
    waitFor: number,
    start: number,
    restore: Restore
  ): Effect.Effect<Lease, LeaseTimeout | StoreUnavailable> {
    this.keeper.metrics.waiting(1)
    return Effect.matchCauseEffect(restore(this.keeper.within(granted, start + waitFor, this.timeout(claim, start))), {
      onFailure: (cause) => {
        this.keeper.metrics.waiting(-1)
        return this.abandon(claim, cause)
      },
      onSuccess: (granted) => {
        this.keeper.metrics.waiting(-1)
        return this.hold(claim, granted)
      }
    })
  }

  private timeout(claim: Claim, start: number): Effect.Effect<never, LeaseTimeout> {
    return Effect.suspend(() =>
      Effect.fail(new LeaseTimeout({ resource: claim.resource, waitedMillis: this.keeper.now() - start }))
    )
  }

  private mismatch({ limit, resource }: Claim, actual: number): Effect.Effect<never, LimitMismatch> {
    return Effect.fail(new LimitMismatch({ resource, limit, actual }))
  }

  private hold(claim: Claim, granted: Granted): Effect.Effect<Lease, StoreUnavailable> {
    const now = this.keeper.now()
    this.keeper.looked = now
    if (granted.until > now) {
      const hold = new Hold(claim, granted, now)
      this.keeper.add(hold)
      return Effect.succeed(new HeldLease(hold, granted.token, this.keeper, this.steps))
    }
    this.steps.abandonUnsafe(claim)
    const message = "the grant arrived when its lease was over; raise the ttl or see why the store is slow"
    return Effect.fail(new StoreUnavailable({ backend: this.backend, message }))
  }
}

const releaseWithScope = (lease: Lease) => Effect.addFinalizer(() => Effect.sync(() => lease.releaseUnsafe()))
