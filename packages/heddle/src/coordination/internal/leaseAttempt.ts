import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { CurrentTurn, type Observer, type Turn, within as underTurn } from "../../internal/Contended.ts"
import { isTraced } from "../../internal/traced.ts"
import { LeaseTimeout } from "../Lease.ts"
import type { ClaimError, Lease, LeaseLost, LimitMismatch, StoreUnavailable, TryClaimError } from "../Lease.ts"
import { LeaseStore } from "../LeaseStore.ts"
import { HeldLease } from "./heldLease.ts"
import type { Door } from "./leaseDoor.ts"
import { CurrentHeld, findHeld } from "./lockHeld.ts"
import type { Held } from "./lockHeld.ts"
import type { Family, LockMetrics, Outcome } from "./lockMetrics.ts"

type Store = LeaseStore["Service"]

/** One call of a pattern that runs a section under a lease. */
export interface Attempt<A, E, R, A2, E2, E3, E4> {
  /** The span's name. */
  readonly name: string
  readonly family: Family
  readonly label: string | undefined
  readonly key: string
  readonly door: (store: Store, now: () => number) => Door
  readonly section: (lease: Lease) => Effect.Effect<A, E, R>
  /** What comes of it where it would have to wait and does not. */
  readonly refused: Effect.Effect<A2, E2>
  /** What comes of it where the claim failed. */
  readonly failed: (cause: Cause.Cause<ClaimError>) => Effect.Effect<never, E3>
  /** What comes of it where this fiber, or one that forked it, holds the key; without it, the key is claimed once more. */
  readonly again?: ((lease: Lease) => Effect.Effect<A, E4, R>) | undefined
  /** Runs before a claim by a fiber that holds something already. */
  readonly nested?: ((outer: Held, store: Store) => Effect.Effect<void>) | undefined
}

/** For `refused`, where the door always waits. */
export const waits: Effect.Effect<never> = Effect.die(new Error("a claim that waits was refused"))

/** For `failed`, where nobody waits and so nobody gives up. */
export const atOnce = (cause: Cause.Cause<ClaimError>): Effect.Effect<never, TryClaimError> =>
  Effect.catchTag(Effect.failCause(cause), "LeaseTimeout", Effect.die)

/** For `failed`, where all callers name the same limit. */
export const agreed = (cause: Cause.Cause<ClaimError>): Effect.Effect<never, Exclude<ClaimError, LimitMismatch>> =>
  Effect.catchTag(Effect.failCause(cause), "LimitMismatch", Effect.die)

/** For `failed`, where both is so. */
export const agreedAtOnce = (
  cause: Cause.Cause<ClaimError>
): Effect.Effect<never, Exclude<TryClaimError, LimitMismatch>> =>
  Effect.catchTag(atOnce(cause), "LimitMismatch", Effect.die)

export const attempt = <A, E, R, A2, E2, E3, E4 = never>(
  call: Attempt<A, E, R, A2, E2, E3, E4>
): Effect.Effect<A | A2, E | E2 | E3 | E4 | LeaseLost | StoreUnavailable, R | LeaseStore> =>
  Effect.contextWith((context: Context.Context<LeaseStore>) =>
    Effect.withFiber((fiber): Effect.Effect<A | A2, E | E2 | E3 | E4 | LeaseLost | StoreUnavailable, R> => {
      const store = Context.get(context, LeaseStore)
      const { family, key } = call
      const outer = fiber.getRef(CurrentHeld)
      if (outer !== undefined && call.again !== undefined) {
        const held = findHeld(outer, (held) => held.key === key && held.family === family && held.store === store)
        if (held !== undefined) return call.again(held.lease)
      }
      const { metrics, now, observer } = family.around(fiber.context, store.backend, call.label)
      const door = call.door(store, now)
      const traced = isTraced(fiber)
      const section = (lease: Lease) => {
        const under = Effect.provideService(call.section(lease), CurrentHeld, { store, family, key, lease, outer })
        return traced
          ? Effect.andThen(Effect.annotateCurrentSpan(`heddle.${family.noun}.token`, String(lease.token)), under)
          : under
      }
      const waiting = observer === undefined ? undefined : () => waitOf(observer, fiber, call, store)
      const bare = hold(metrics, door, now, section, call, waiting)
      const run = traced
        ? Effect.withSpan(bare, call.name, {
          attributes: { "heddle.backend": store.backend, [`heddle.${family.noun}.key`]: key }
        })
        : bare
      return outer === undefined || call.nested === undefined ? run : Effect.andThen(call.nested(outer, store), run)
    })
  )

const waitOf = (
  observer: Observer,
  fiber: Fiber.Fiber<unknown, unknown>,
  { family, key, label }: Pick<Attempt<never, never, never, never, never, never, never>, "family" | "key" | "label">,
  store: Store
): Turn => {
  // A read-write lock's label is the mode, and not a name.
  const name = label === undefined ? key : family.noun === "rwlock" ? `${key} ${label}` : label
  const what = { kind: family.noun, name, title: key, owner: store, key: `${family.noun}/${key}` }
  return observer.wait(what, fiber, fiber.getRef(CurrentTurn))
}

const hold = <A, E, R, A2, E2, E3>(
  metrics: LockMetrics,
  door: Door,
  now: () => number,
  section: (lease: Lease) => Effect.Effect<A, E, R>,
  { failed, refused }: Pick<Attempt<A, E, R, A2, E2, E3, never>, "failed" | "refused">,
  waiting: (() => Turn) | undefined
): Effect.Effect<A | A2, E | E2 | E3 | LeaseLost | StoreUnavailable, R> =>
  Effect.uninterruptibleMask((restore) => {
    const start = now()
    const turn = waiting?.()
    return Effect.matchCauseEffect(door.enter(restore, { now, at: start }), {
      onFailure: (cause) => {
        ended(metrics, turn, now() - start, outcomeOf(cause))
        return failed(cause)
      },
      onSuccess: (lease): Effect.Effect<A | A2, E | E2 | LeaseLost | StoreUnavailable, R> => {
        if (lease === undefined) {
          ended(metrics, turn, now() - start, "contended")
          return refused
        }
        const since = recently(lease, now)
        metrics.waited((since - start) / 1000)
        turn?.entered()
        return Effect.onExit(restore(Effect.suspend(() => lease.run(underTurn(turn, section(lease))))), () => {
          const left = recently(lease, now)
          const outcome = wasAlive(lease) ? "success" : "lost"
          // Before the books are kept: others wait for it.
          const rest = door.leave(lease)
          turn?.left()
          metrics.held((left - since) / 1000)
          metrics.ended(outcome)
          return rest
        })
      }
    })
  })

/** An attempt that came to nothing. */
const ended = (metrics: LockMetrics, turn: Turn | undefined, millis: number, outcome: Outcome): void => {
  turn?.left()
  metrics.waited(millis / 1000)
  metrics.ended(outcome)
}

const recently = (lease: Lease, now: () => number): number => lease instanceof HeldLease ? lease.recently(now) : now()

const wasAlive = (lease: Lease): boolean => lease instanceof HeldLease ? lease.wasAlive() : lease.isAlive()

const outcomeOf = (cause: Cause.Cause<ClaimError>): Outcome =>
  Cause.hasInterruptsOnly(cause) ||
    Cause.findErrorOption(cause).pipe((error) => error._tag === "Some" && error.value instanceof LeaseTimeout)
    ? "timeout"
    : "error"
