/** The least that keeps a circuit in Effect: a phase, a streak, and an exit that is looked at. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

const refusal = Effect.fail("open")

export const circuit = () => {
  let open = false
  let streak = 0
  return <A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E | string> =>
    Effect.suspend(() =>
      open ? refusal : Effect.onExitPrimitive(call, (exit) => {
        streak = Exit.isSuccess(exit) ? 0 : streak + 1
        open = streak >= 5
        return undefined
      })
    )
}

export const open: Open = () => {
  const run = circuit()
  return Promise.resolve(repeat(run(Effect.succeed(1))))
}
