import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { Waiters } from "../../flow/internal/Waiters.ts"

/**
 * Works on so many entries at a time, each in a fiber of its own until the scope closes. The first that does not succeed is the end, also
 * where somebody has interrupted its fiber before its first step.
 */
export class LogHands<E> {
  private readonly most: number
  private readonly scope: Scope.Scope
  private readonly free = new Waiters()
  private readonly end = Deferred.makeUnsafe<never, E>()
  private busy = 0
  constructor(most: number, scope: Scope.Scope) {
    this.most = most
    this.scope = scope
  }

  readonly failed: Effect.Effect<never, E> = Effect.suspend(() => Deferred.await(this.end))

  /** Begins as soon as a hand is free. */
  take<R>(work: Effect.Effect<void, E, R>, finish: () => void): Effect.Effect<void, never, R> {
    const isFree = () => this.busy < this.most
    const begin = Effect.map(
      Effect.suspend(() => {
        this.busy++
        return Effect.forkIn(work, this.scope)
      }),
      (fiber) => {
        fiber.addObserver((exit) => {
          this.busy--
          if (Exit.isSuccess(exit)) finish()
          else Deferred.doneUnsafe(this.end, Effect.failCause(exit.cause))
          this.free.wakeAll()
        })
      }
    )
    return Effect.andThen(isFree() ? Effect.void : this.free.until(isFree), begin)
  }
}
