import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { monotonic } from "../Alarm.ts"
import type { LockOptions } from "../DistributedLock.ts"
import { LeaseTimeout } from "../Lease.ts"
import type { ClaimError, InvalidClaim, Lease, LeaseLost, StoreUnavailable } from "../Lease.ts"
import { LeaseStore } from "../LeaseStore.ts"
import type { Cohort } from "./lockCohort.ts"
import { ArrivalDoor, cohortDoor } from "./lockDoor.ts"
import type { Door } from "./lockDoor.ts"
import { CurrentHeld, findHeld, warnOrder } from "./lockHeld.ts"
import { lockMetrics } from "./lockMetrics.ts"
import type { LockMetrics, Outcome } from "./lockMetrics.ts"
import { isTraced } from "./traced.ts"

/** One call of a lock. `refused` is what comes of it where the key is not free and it does not wait. */
export interface Attempt<A, E, R, A2, E2, E3> {
  readonly name: string
  readonly key: string
  readonly options: LockOptions
  readonly wait: boolean
  readonly section: (lease: Lease) => Effect.Effect<A, E, R>
  readonly refused: Effect.Effect<A2, E2>
  readonly again: () => E3
}

type Failure = InvalidClaim | LeaseLost | LeaseTimeout | StoreUnavailable

/** What the locks on one store share in this process. */
class Locks {
  readonly cohorts = new Map<string, Cohort>()
  private readonly series = new Map<string | undefined, LockMetrics>()
  private readonly backend: string
  constructor(backend: string) {
    this.backend = backend
  }
  metrics(name: string | undefined): LockMetrics {
    let found = this.series.get(name)
    if (found === undefined) this.series.set(name, found = lockMetrics(this.backend, name))
    return found
  }
}

const allLocks = new WeakMap<LeaseStore["Service"], Locks>()

const locksOf = (store: LeaseStore["Service"]): Locks => {
  let found = allLocks.get(store)
  if (found === undefined) allLocks.set(store, found = new Locks(store.backend))
  return found
}

export const attempt = <A, E, R, A2, E2, E3>(
  call: Attempt<A, E, R, A2, E2, E3>
): Effect.Effect<A | A2, E | E2 | E3 | Failure, R | LeaseStore> =>
  Effect.contextWith((context: Context.Context<LeaseStore>) =>
    Effect.withFiber((fiber): Effect.Effect<A | A2, E | E2 | E3 | Failure, R> => {
      const store = Context.get(context, LeaseStore)
      const { key, options } = call
      const outer = fiber.getRef(CurrentHeld)
      const held = findHeld(outer, (held) => held.store === store && held.key === key)
      if (held !== undefined) {
        return options.reentrant === true ? held.lease.guard(call.section(held.lease)) : Effect.fail(call.again())
      }
      const locks = locksOf(store)
      const now = monotonic(fiber.getRef(Clock.Clock))
      const wish = { store, key, options, wait: call.wait }
      const door = options.order === "cohort" ? cohortDoor(wish, locks.cohorts, now) : new ArrivalDoor(wish)
      const traced = isTraced(fiber)
      const section = (lease: Lease) => {
        const under = Effect.provideService(call.section(lease), CurrentHeld, { store, key, lease, outer })
        return traced
          ? Effect.andThen(Effect.annotateCurrentSpan("heddle.lock.token", String(lease.token)), under)
          : under
      }
      const bare = hold(fiber, locks.metrics(options.name), door, now, section, call.refused)
      const run = traced
        ? Effect.withSpan(bare, call.name, { attributes: { "heddle.backend": store.backend, "heddle.lock.key": key } })
        : bare
      return outer === undefined || !call.wait ? run : Effect.andThen(warnOrder(outer, store, key), run)
    })
  )

const hold = <A, E, R, A2, E2>(
  fiber: Fiber.Fiber<unknown, unknown>,
  metrics: LockMetrics,
  door: Door,
  now: () => number,
  section: (lease: Lease) => Effect.Effect<A, E, R>,
  refused: Effect.Effect<A2, E2>
): Effect.Effect<A | A2, E | E2 | Failure, R> =>
  Effect.uninterruptibleMask((restore) => {
    const start = now()
    const ended = (outcome: Outcome) => {
      metrics.waited(now() - start, fiber.context)
      metrics.ended(outcome, fiber.context)
    }
    const within = (lease: Lease | undefined): Effect.Effect<A | A2, E | E2 | Failure, R> => {
      if (lease === undefined) {
        ended("contended")
        return refused
      }
      const since = now()
      metrics.waited(since - start, fiber.context)
      return Effect.onExit(restore(Effect.suspend(() => lease.run(section(lease)))), () => {
        metrics.held(now() - since, fiber.context)
        metrics.ended(lease.isAlive() ? "success" : "lost", fiber.context)
        return door.leave(lease)
      })
    }
    const without = (cause: Cause.Cause<ClaimError>) => {
      ended(outcomeOf(cause))
      return Effect.catchTag(Effect.failCause(cause), "LimitMismatch", Effect.die)
    }
    return Effect.matchCauseEffect(door.enter(restore), { onFailure: without, onSuccess: within })
  })

const outcomeOf = (cause: Cause.Cause<ClaimError>): Outcome =>
  Cause.hasInterruptsOnly(cause) ||
    Cause.findErrorOption(cause).pipe((error) => error._tag === "Some" && error.value instanceof LeaseTimeout)
    ? "timeout"
    : "error"
