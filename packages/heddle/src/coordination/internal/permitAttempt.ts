import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { monotonic } from "../Alarm.ts"
import type { ClaimError, ClaimRequest, Lease, LeaseLost, LimitMismatch, Restore, TryClaimError } from "../Lease.ts"
import { LeaseTimeout } from "../Lease.ts"
import { LeaseStore } from "../LeaseStore.ts"
import { CurrentHeld, findHeld } from "./lockHeld.ts"
import type { Family, LockMetrics, Outcome } from "./lockMetrics.ts"

/** One section under permits of a resource. */
export interface PermitCall<A, E, R> {
  /** The name of the span. */
  readonly span: string
  readonly family: Family
  /** Labels of the metrics, beside the backend. There are few of them. */
  readonly labels: Readonly<Record<string, string>>
  readonly request: ClaimRequest
  readonly section: (lease: Lease) => Effect.Effect<A, E, R>
}

type Store = LeaseStore["Service"]

/** How the lease is taken; `None` where it is not free and nobody waits for it. */
export type Take<E> = (
  store: Store,
  request: ClaimRequest,
  restore: Restore
) => Effect.Effect<Option.Option<Lease>, E>

export const waiting: Take<ClaimError> = (store, request, restore) =>
  Effect.map(store.acquire(request, restore), Option.some)

export const trying: Take<TryClaimError> = (store, request, restore) => store.tryAcquire(request, restore)

/** `waiting` and `trying` for a resource whose callers all name the same limit. */
export const agreed = {
  waiting: (store, request, restore) =>
    waiting(store, request, restore).pipe(Effect.catchTag("LimitMismatch", Effect.die)),
  trying: (store, request, restore) =>
    trying(store, request, restore).pipe(Effect.catchTag("LimitMismatch", Effect.die))
} satisfies {
  readonly waiting: Take<Exclude<ClaimError, LimitMismatch>>
  readonly trying: Take<Exclude<TryClaimError, LimitMismatch>>
}

/** The value of what waits and so never answers `None`. */
export const certain = <A, E, R>(effect: Effect.Effect<Option.Option<A>, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (done) => Option.isSome(done) ? Effect.succeed(done.value) : Effect.never)

const series = new WeakMap<Store, Map<string, LockMetrics>>()

const metricsOf = <A, E, R>({ family, labels }: PermitCall<A, E, R>, store: Store): LockMetrics => {
  let all = series.get(store)
  if (all === undefined) series.set(store, all = new Map())
  const key = family.prefix + Object.values(labels).join()
  let found = all.get(key)
  if (found === undefined) all.set(key, found = family.series({ backend: store.backend, ...labels }))
  return found
}

/** Runs the section under the permits; `refused` where this fiber tree holds some already and that is not wanted. */
export const underPermits = <A, E, R, E1, E2 = never>(
  call: PermitCall<A, E, R>,
  take: Take<E1>,
  refused?: Effect.Effect<never, E2>
): Effect.Effect<Option.Option<A>, E | E1 | E2 | LeaseLost, R | LeaseStore> =>
  Effect.contextWith((context: Context.Context<LeaseStore>) =>
    Effect.withFiber((fiber): Effect.Effect<Option.Option<A>, E | E1 | E2 | LeaseLost, R> => {
      const store = Context.get(context, LeaseStore)
      const { resource } = call.request
      const outer = fiber.getRef(CurrentHeld)
      const holds = findHeld(outer, (held) => held.store === store && held.lease.resource === resource)
      if (refused !== undefined && holds !== undefined) return refused
      const now = monotonic(fiber.getRef(Clock.Clock))
      const metrics = metricsOf(call, store)
      const start = now()
      const ended = (outcome: Outcome) => {
        metrics.waited(now() - start, fiber.context)
        metrics.ended(outcome, fiber.context)
      }
      const within = (lease: Lease): Effect.Effect<Option.Option<A>, E | LeaseLost, R> => {
        const since = now()
        metrics.waited(since - start, fiber.context)
        const held = { store, key: resource, lease, outer }
        const section = Effect.suspend(() => Effect.provideService(call.section(lease), CurrentHeld, held))
        return Effect.map(lease.run(section), Option.some).pipe(Effect.onExit(() =>
          Effect.sync(() => {
            metrics.held(now() - since, fiber.context)
            metrics.ended(lease.isAlive() ? "success" : "lost", fiber.context)
          })
        ))
      }
      const run = Effect.uninterruptibleMask((restore) =>
        Effect.matchCauseEffect(take(store, call.request, restore), {
          onFailure: (cause: Cause.Cause<E1>) => {
            ended(outcomeOf(cause))
            return Effect.failCause(cause)
          },
          onSuccess: (lease): Effect.Effect<Option.Option<A>, E | LeaseLost, R> => {
            if (Option.isSome(lease)) {
              return Effect.onExit(restore(within(lease.value)), () => Effect.sync(() => lease.value.releaseUnsafe()))
            }
            ended("contended")
            return Effect.succeedNone
          }
        })
      )
      const attributes = { "heddle.backend": store.backend, "heddle.resource": resource }
      // A span costs more than the permits themselves: none is opened unless somebody traces.
      return fiber.cache.span !== undefined || fiber.cache.tracer !== undefined
        ? Effect.withSpan(run, call.span, { attributes })
        : run
    })
  )

const outcomeOf = <E>(cause: Cause.Cause<E>): Outcome =>
  Cause.hasInterruptsOnly(cause) ||
    Option.exists(Cause.findErrorOption(cause), (error) => error instanceof LeaseTimeout)
    ? "timeout"
    : "error"
