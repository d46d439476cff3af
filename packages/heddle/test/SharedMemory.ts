import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Lease, type LeaseBackend, LeaseStore } from "heddle/coordination"
import { memorySteps } from "../src/coordination/internal/leaseMemory.ts"

/** Stores that share one memory, as processes share a server, and the ways to harm it. */
export interface SharedMemory {
  readonly layer: Layer.Layer<LeaseStore.LeaseStore>
  readonly forget: (resource: string) => Effect.Effect<void, Lease.StoreUnavailable>
  readonly cut: Effect.Effect<void, never, Scope.Scope>
  readonly remnants: Effect.Effect<number, Lease.StoreUnavailable>
  /** How many follow resources. */
  readonly watchers: Effect.Effect<number>
}

export const make: Effect.Effect<SharedMemory, never, Scope.Scope> = Effect.gen(function*() {
  const steps = yield* memorySteps("shared")
  const resources = new Set<string>()
  let reachable = true
  let watchers = 0

  const reach = <A, E>(step: () => Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | Lease.StoreUnavailable> =>
      reachable ? step() : Effect.fail(new Lease.StoreUnavailable({ backend: "memory", message: "cut off" }))
    )

  const far: LeaseBackend.Steps = {
    ask: (claim) =>
      reach(() => steps.ask(claim)).pipe(Effect.tap(() => Effect.sync(() => resources.add(claim.resource)))),
    renew: (claims) => reach(() => steps.renew(claims)),
    release: (claim) => reach(() => steps.release(claim)),
    releaseUnsafe: (claim) => reachable && steps.releaseUnsafe(claim),
    abandonUnsafe: (claim) => reachable && steps.abandonUnsafe(claim),
    update: (claim, change) => reach(() => steps.update(claim, change)),
    resize: (resource, limit) => reach(() => steps.resize(resource, limit)),
    inspect: (resource) => reach(() => steps.inspect(resource)),
    changes: (resource) =>
      Stream.unwrap(reach(() => Effect.succeed(steps.changes(resource)))).pipe(
        Stream.onStart(Effect.sync(() => ++watchers)),
        Stream.ensuring(Effect.sync(() => --watchers))
      )
  }

  const backend = { backend: "memory", owner: "local", timeout: Infinity, steps: () => Effect.succeed(far) }
  return {
    layer: Layer.effect(LeaseStore.LeaseStore, LeaseStore.make(backend)),
    forget: (resource) =>
      Effect.flatMap(
        steps.inspect(resource),
        ({ holders }) =>
          Effect.forEach(holders, (holder) =>
            steps.release({ ...holder, resource, limit: holder.permits, tokens: 1, ttl: 0, wait: false }), {
            discard: true
          })
      ),
    cut: Effect.acquireRelease(
      Effect.sync(() => {
        reachable = false
      }),
      () =>
        Effect.sync(() => {
          reachable = true
        })
    ),
    watchers: Effect.sync(() => watchers),
    remnants: Effect.map(
      Effect.forEach(resources, (resource) => steps.inspect(resource)),
      (all) => all.filter(({ holders, waiters }) => holders.length + waiters.length > 0).length
    )
  }
})
