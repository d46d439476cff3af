import * as Effect from "effect/Effect"
import type { StoreUnavailable } from "../Job.ts"
import type { Held, Settled, Settlement, Steps } from "../JobBackend.ts"

/**
 * The step that ends claims, of one that ends a claim: for backends whose requests are about one job. All are asked at once.
 *
 * @category backends
 * @since 0.1.0
 */
export const settleEach = (
  one: (held: Held, settlement: Settlement) => Effect.Effect<Settled, StoreUnavailable>
): Steps["settle"] =>
(ends) =>
  Effect.forEach(
    ends,
    ({ held, settlement }) =>
      Effect.match(one(held, settlement), {
        onFailure: (error): Settled | StoreUnavailable => error,
        onSuccess: (settled) => settled
      }),
    { concurrency: "unbounded" }
  )
