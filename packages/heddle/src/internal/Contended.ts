import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** What is waited for: a kind of Heddle's, and a name of which an app has few. */
export interface Contended {
  readonly kind: string
  /** As reports group it. */
  readonly name: string
  /** As the graph of those who wait names it, such as its key. */
  readonly title: string
  /** What two must want to be in each other's way: one key of one owner. */
  readonly owner: object
  readonly key: unknown
}

/** One wait, and the hold that comes of it. Each counts once; a call that comes late does nothing. */
export interface Turn {
  /** The wait is over, and the hold begins. */
  readonly entered: () => void
  /** The hold is over, or the wait came to nothing. */
  readonly left: () => void
  /** The wait came to nothing. A hold goes on. */
  readonly gaveUp: () => void
}

/** Who is told of waits and holds. */
export interface Observer {
  /** Someone begins to wait, within `parent`'s hold where there is one. */
  readonly wait: (what: Contended, fiber: AnyFiber, parent: Turn | undefined) => Turn
  /** What a fiber waits for now. */
  readonly waitOf: (fiber: AnyFiber) => string | undefined
}

/** Nobody, unless `Contention` is on: a pattern asks once when it is made, or at a wait. */
export const CurrentObserver = Context.Reference<Observer | undefined>("heddle/Contention/CurrentObserver", {
  defaultValue: () => undefined
})

/** The hold that a fiber works under. */
export const CurrentTurn = Context.Reference<Turn | undefined>("heddle/Contention/CurrentTurn", {
  defaultValue: () => undefined
})

/** What of Heddle a fiber waits for, where somebody observes that. */
export const waitOf = (fiber: AnyFiber): string | undefined => fiber.getRef(CurrentObserver)?.waitOf(fiber)

/** Work that holds what its fiber waited for. */
export const within = <A, E, R>(turn: Turn | undefined, work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  turn === undefined ? work : Effect.provideService(work, CurrentTurn, turn)

/** Observes a wait for what runs elsewhere: who runs it tells the turn when it begins. The hold ends with the wait for its end. */
export const waiting = <A, E, R>(
  observer: Observer,
  what: Contended,
  enter: (turn: Turn) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let turn: Turn | undefined
    // What ends a turn is there before the turn is, so no interruption comes between.
    return Effect.onExitPrimitive(
      Effect.withFiber((fiber) => {
        turn = observer.wait(what, fiber, fiber.getRef(CurrentTurn))
        return enter(turn)
      }),
      () => {
        turn?.left()
        return undefined
      }
    )
  })

/** Observes work that waits for its turn in `enter`, and holds what it has until that ends. */
export const observed = <A, E, R, A2, E2, R2>(
  observer: Observer,
  what: Contended,
  work: Effect.Effect<A, E, R>,
  enter: (work: Effect.Effect<A, E, R>) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A2, E2, R2> =>
  Effect.suspend(() => {
    let turn: Turn | undefined
    // Its context is asked for when it begins.
    const inside = Effect.updateContext(work, (context: Context.Context<R>) => {
      if (turn === undefined) return context
      turn.entered()
      return Context.add(context, CurrentTurn, turn)
    })
    // What ends a turn is there before the turn is, so no interruption comes between.
    return Effect.onExitPrimitive(
      Effect.withFiber((fiber) => {
        turn = observer.wait(what, fiber, fiber.getRef(CurrentTurn))
        return enter(inside)
      }),
      () => {
        turn?.left()
        return undefined
      }
    )
  })

/** The same of work that runs in a fiber of its own, which may end after who waits for it has left: it holds what it has until it has ended. */
export const observedApart = <A, E, R, A2, E2, R2>(
  observer: Observer,
  what: Contended,
  work: Effect.Effect<A, E, R>,
  enter: (work: Effect.Effect<A, E, R>) => Effect.Effect<A2, E2, R2>
): Effect.Effect<A2, E2, R2> =>
  Effect.suspend(() => {
    let turn: Turn | undefined
    const inside = Effect.onExitPrimitive(
      Effect.suspend(() => {
        turn?.entered()
        return within(turn, work)
      }),
      () => {
        turn?.left()
        return undefined
      }
    )
    return Effect.onExitPrimitive(
      Effect.withFiber((fiber) => {
        turn = observer.wait(what, fiber, fiber.getRef(CurrentTurn))
        return enter(inside)
      }),
      () => {
        turn?.gaveUp()
        return undefined
      }
    )
  })
