import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { CircuitBreaker as Fleet } from "effect/persistence"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import { Soon } from "../../internal/Soon.ts"

type Store = Fleet.CircuitBreakerStore["Service"]
type Error = Fleet.CircuitBreakerError

/** Those who wait for the answer to one question. */
type Question<A> = Array<(answer: Exit.Exit<A, Error>) => void>

/**
 * A store that is asked once where calls of one circuit would ask the same within a turn: whether they may run, and that they succeeded
 * one after the other, where failures in a row are counted. Everything reaches the store in its order. A probe is one call's alone.
 */
export const gathered = (store: Store, context: Context.Context<never>): Store => {
  const fork = Effect.runForkWith(context)
  let turn = new Array<() => void>()
  let admitting: Question<Fleet.Admission> | undefined
  let success: { readonly generation: number; readonly told: Question<Fleet.Transition | undefined> } | undefined
  const soon = new Soon(Context.get(context, Scheduler.Scheduler), () => {
    const asks = turn
    turn = []
    admitting = success = undefined
    asks.forEach((ask) => ask())
  })

  const put = <A>(ask: Effect.Effect<A, Error>): Question<A> => {
    const question: Question<A> = []
    turn.push(() =>
      fork(ask, { uninterruptible: true }).addObserver((exit) => question.forEach((answer) => answer(exit)))
    )
    soon.ask()
    return question
  }

  // Who asks stands among those who wait in the same step, so that no answer comes between.
  const admit = (key: string): Effect.Effect<Fleet.Admission, Error, Scope.Scope> =>
    Effect.flatMap(Effect.scope, (scope) => {
      let first = false
      const asked = Effect.callback<Fleet.Admission, Error>((resume) => {
        first = admitting === undefined
        admitting ??= put(Scope.provide(store.admit(key), scope))
        admitting.push(resume)
      })
      return Effect.flatMap(asked, (admission) => admission.probe && !first ? admit(key) : Effect.succeed(admission))
    })

  const record: Store["record"] = (ended) =>
    Effect.callback((resume) => {
      const { generation, outcome, tripPolicy } = ended
      const succeeded = outcome === "Success" && tripPolicy._tag === "Consecutive"
      if (succeeded && success?.generation === generation) {
        success.told.push((exit) => resume(Exit.map(exit, () => undefined)))
        return
      }
      const told = put(store.record(ended))
      told.push(resume)
      success = succeeded ? { generation, told } : undefined
    })

  return { admit, record, state: store.state }
}
