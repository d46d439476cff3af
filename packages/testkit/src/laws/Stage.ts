import { it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Lease, LeaseStore } from "heddle/coordination"
import { randomUUID } from "node:crypto"

export type Store = LeaseStore.LeaseStore["Service"]

/** What a law works with. */
export interface Stage {
  readonly store: Store
  /** A resource that nobody else uses. */
  readonly resource: string
  /** One more store from the same layer. */
  readonly another: Effect.Effect<Store, unknown, Scope.Scope>
}

export type Law = (title: string, body: (stage: Stage) => Effect.Effect<unknown, unknown, Scope.Scope>) => void

export const lawOf = <E>(layer: Layer.Layer<LeaseStore.LeaseStore, E>): Law => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const another = Effect.map(Layer.build(Layer.fresh(layer)), Context.get(LeaseStore.LeaseStore))
      yield* body({ store: yield* another, resource: unique(), another })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())), { timeout: 120_000 })

/** Registers laws only for a store that has the ability. */
export const having = (law: Law, ability: true | undefined): Law => ability === undefined ? () => {} : law

export const unique = (): string => `law-${randomUUID()}`

/** Waits for what must happen; only a hang reaches the deadline. */
export const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.timeoutOrElse(effect, {
    duration: "50 seconds",
    orElse: () => Effect.die(new Error(`this did not happen within 50 seconds: ${what}`))
  })

/** Asks again until the answer is `true`, for what sends no event of its own. */
export const eventually = <E, R>(what: string, check: Effect.Effect<boolean, E, R>): Effect.Effect<unknown, E, R> =>
  inTime(what, Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("5 millis") }))

/** Waits until the resource is seen in a state. */
export const seen = (
  store: Store,
  resource: string,
  what: string,
  is: (inspection: Lease.Inspection) => boolean
) => inTime(what, Stream.runDrain(Stream.takeUntil(store.changes(resource), is)))

/** Waits until nobody holds the resource or waits for it. */
export const idle = (store: Store, resource: string) =>
  seen(store, resource, "the resource is free", ({ holders, waiters }) => holders.length + waiters.length === 0)

/** Starts a claim, wrapped, and returns when it stands in line. */
export const inLine = <A, E, R>(
  store: Store,
  request: Lease.ClaimRequest,
  wrap: (claim: Effect.Effect<Lease.Lease, Lease.ClaimError, Scope.Scope>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function*() {
    const owner = request.owner ?? unique()
    const fiber = yield* Effect.forkScoped(wrap(store.claim({ ...request, owner })))
    yield* Effect.raceFirst(
      seen(store, request.resource, "the claim stands in line", (now) => now.waiters.some((it) => it.owner === owner)),
      Effect.flatMap(Fiber.await(fiber), (exit) => Effect.die(new Error(`the claim did not wait: ${String(exit)}`)))
    )
    return fiber
  })

/** Starts a claim and returns when it stands in line. What it is granted it holds until the law ends or releases it. */
export const standInLine = (store: Store, request: Lease.ClaimRequest) => inLine(store, request, identity)

/** How often the store has counted an outcome so far, in this law. */
export const counted = (metric: string, outcome: string): Effect.Effect<number> =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      all.reduce((sum, one) =>
        one.type === "Counter" && one.id === metric && Object.values(one.attributes ?? {}).includes(outcome)
          ? sum + Number(one.state.count)
          : sum, 0)
  )

/** Waits until the store has counted `more` outcomes from now on. */
export const counts = (metric: string, outcome: string, more: number) =>
  Effect.flatMap(counted(metric, outcome), (before) =>
    eventually(
      `${more} more of ${metric} ${outcome}`,
      Effect.map(counted(metric, outcome), (now) => now >= before + more)
    ))

export const renewals = (more: number) => counts("heddle_lease_renewals_total", "renewed", more)

/** Keeps the thread busy: no timer, no reply and no other fiber runs meanwhile. */
export const blockThread = (millis: number): void => {
  const end = performance.now() + millis
  while (performance.now() < end);
}
