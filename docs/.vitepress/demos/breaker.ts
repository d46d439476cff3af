/** A client that calls a server five times a second through a circuit breaker, and a server that can be switched off. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { CircuitBreaker } from "heddle/resilience"

export type Outcome = "success" | "failure" | "refused"

export interface View {
  readonly state: CircuitBreaker.State
  readonly past: ReadonlyArray<Outcome>
}

const shown = 60

export const start = (tell: (view: View) => void) => {
  let up = true
  const past: Array<Outcome> = []
  const program = Effect.gen(function*() {
    const bank = yield* CircuitBreaker.make({
      name: "bank",
      trip: CircuitBreaker.consecutive(4),
      openFor: "3 seconds",
      successes: 3
    })
    const call = bank.run(Effect.suspend(() => up ? Effect.succeed("success" as const) : Effect.fail("down" as const)))
      .pipe(
        Effect.catch((error): Effect.Effect<Outcome> => Effect.succeed(error === "down" ? "failure" : "refused"))
      )
    for (;;) {
      past.push(yield* call)
      if (past.length > shown) past.shift()
      tell({ state: yield* bank.state, past: [...past] })
      yield* Effect.sleep(200)
    }
  })
  const running = Effect.runFork(program)
  return {
    turn: (on: boolean) => {
      up = on
    },
    stop: () => Effect.runFork(Fiber.interrupt(running))
  }
}
