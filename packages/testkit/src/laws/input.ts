import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Lease } from "heddle/coordination"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { having, inTime, type Law } from "./Stage.ts"

const loneSurrogate = "\uD83D"

const wrong: ReadonlyArray<readonly [field: string, request: Partial<Lease.ClaimRequest>]> = [
  ["resource", { resource: "" }],
  ["resource", { resource: loneSurrogate }],
  ["resource", { resource: "x".repeat(1025) }],
  ...[NaN, 0, -1, 1.5, 2, Infinity].map((permits) => ["permits", { permits }] as const),
  ["permits", { permits: 4, limit: 3 }],
  ...[NaN, 0, -1, 1.5, 2 ** 31, Infinity].map((limit) => ["limit", { limit }] as const),
  ...[NaN, 0, -1, 9, 86_400_001, Infinity].map((ttl) => ["ttl", { ttl }] as const),
  ...[NaN, -1, -Infinity].map((waitFor) => ["waitFor", { waitFor }] as const),
  ...[NaN, 0, 1.5, 1001, Infinity].map((tokens) => ["tokens", { tokens }] as const),
  ["owner", { owner: loneSurrogate }],
  ["owner", { owner: "x".repeat(1025) }],
  ["value", { value: loneSurrogate }],
  ["value", { value: "x".repeat(65_537) }]
]

export const inputLaws = (law: Law, { described, weighted }: Abilities): void => {
  const describedLaw = having(law, described)
  const weightedLaw = having(law, weighted)
  // What ends within one synchronous run made no round trip.
  const failsAtOnce = <A, E>(effect: Effect.Effect<A, E>) =>
    Option.getOrUndefined(Exit.findErrorOption(Effect.runSyncExit(effect)))

  law(
    "a request that cannot mean anything fails typed before any round trip",
    ({ resource, store }) =>
      Effect.gen(function*() {
        for (const [field, request] of wrong) {
          const claimed = failsAtOnce(Effect.scoped(store.claim({ resource, ...request })))
          assert.deepInclude(claimed, { _tag: "InvalidClaim", field }, Cause.pretty(Cause.fail(request)))
          const tried = failsAtOnce(Effect.scoped(store.tryClaim({ resource, ...request })))
          assert.deepInclude(tried, { _tag: "InvalidClaim", field }, Cause.pretty(Cause.fail(request)))
        }
        assert.deepStrictEqual(yield* store.inspect(resource), { limit: undefined, holders: [], waiters: [] })
      })
  )

  describedLaw(
    "inspect, changes and update check their input as well",
    ({ resource, store }) =>
      Effect.gen(function*() {
        for (const name of ["", loneSurrogate, "x".repeat(1025)]) {
          assert.deepInclude(failsAtOnce(store.inspect(name)), { _tag: "InvalidClaim", field: "resource" })
          const changes = Stream.runDrain(store.changes(name))
          assert.deepInclude(failsAtOnce(changes), { _tag: "InvalidClaim", field: "resource" })
        }
        const lease = yield* store.claim({ resource })
        for (const value of [loneSurrogate, "x".repeat(65_537)]) {
          assert.deepInclude(failsAtOnce(lease.update(value)), { _tag: "InvalidClaim", field: "value" })
        }
        yield* lease.release
      })
  )

  weightedLaw(
    "the greatest and the least that a request may say are granted",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const limit = 2 ** 31 - 1
        const all = yield* store.claim({
          resource: resource.padEnd(1024, "x"),
          permits: limit,
          limit,
          tokens: 1000,
          ttl: "1 day",
          waitFor: Infinity
        })
        yield* all.release
        // On a busy machine so short a lease may be over before it is heard of: then once more.
        const least = yield* inTime(
          "the least is granted",
          Effect.eventually(
            store.claim({ resource: resource.slice(-1), permits: 1, limit: 1, ttl: "10 millis", waitFor: 0 })
          )
        )
        yield* least.release
      })
  )
}
