/** Effect's `RequestResolver`. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"
import type { Open } from "../../harness/Load.ts"
import { double, effects } from "./effects.ts"

class Double extends Request.TaggedClass("Double")<{ readonly id: number }, number> {}

export const open: Open = () => {
  const resolver = RequestResolver.make<Double>((entries) =>
    Effect.map(double(entries.map(({ request }) => request.id)), (answers) => {
      entries.forEach((entry, at) => entry.completeUnsafe(Exit.succeed(answers[at] ?? NaN)))
    })
  ).pipe(RequestResolver.batchN(100))
  return Promise.resolve(effects((id) => Effect.request(new Double({ id }), resolver)))
}
