import * as Effect from "effect/Effect"
import type { Fault } from "../Chaos.ts"
import type { Ledger } from "./Ledger.ts"
import type { Plan, Strike } from "./Plan.ts"

/** Carries out the plan. When it returns everything is healed. */
export const torment = (
  plan: Plan,
  faults: ReadonlyArray<Fault>,
  ledger: Ledger,
  tell: (line: string) => void
): Effect.Effect<void> => {
  const begun = performance.now()
  const say = (line: string) => tell(`  ${((performance.now() - begun) / 1000).toFixed(2).padStart(6)} s  ${line}`)

  const strike = ({ after, fault: name, lasts }: Strike) =>
    Effect.gen(function*() {
      const fault = faults.find((fault) => fault.name === name)
      if (fault === undefined) return
      yield* Effect.sleep(after)
      say(`${name} for ${lasts} ms`)
      ledger.faults.push(name)
      yield* Effect.scoped(Effect.andThen(fault.strike, Effect.sleep(lasts)))
    })

  const lanes = plan.lanes.map((lane) => Effect.forEach(lane, strike, { discard: true }))
  return Effect.all([Effect.sleep(plan.duration), ...lanes], { concurrency: "unbounded", discard: true })
}
