import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

const pause = Effect.suspend(() => Effect.sleep(50 + Math.random() * 50))

/**
 * Runs a session again each time it has ended, until the scope closes. Returns when the first says that it is ready, and fails as
 * it does where it fails before that.
 *
 * **Interruption**
 *
 * Ends the session.
 */
export const revived = <E>(
  session: (ready: Effect.Effect<unknown>) => Effect.Effect<void, E>
): Effect.Effect<void, E, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const first = yield* Deferred.make<void, E>()
      const one = session(Deferred.succeed(first, undefined)).pipe(
        Effect.catch((error) => Deferred.fail(first, error)),
        Effect.andThen(pause)
      )
      const fiber = yield* Effect.forkScoped(restore(Effect.forever(one)))
      yield* Effect.onExit(
        restore(Deferred.await(first)),
        (exit) => Exit.isSuccess(exit) ? Effect.void : Fiber.interrupt(fiber)
      )
    })
  )
