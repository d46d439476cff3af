import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** What is waited for: a kind of Heddle's, and a name of which an app has few. */
export interface Contended {
  readonly kind: "lock" | "rwlock" | "semaphore" | "bulkhead" | "worker pool"
  /** As reports group it. */
  readonly name: string
  /** What two must want to be in each other's way, such as a key. */
  readonly key: string
}

/** One wait, and the hold that comes of it. Each call counts once; those that come late do nothing. */
export interface Turn {
  /** The wait is over, and the hold begins. */
  readonly entered: () => void
  /** The hold is over, or the wait came to nothing. */
  readonly left: () => void
}

/** Who is told of waits and holds. */
export interface Observer {
  /** Someone begins to wait, and goes on from `parent`'s hold where there is one. */
  readonly wait: (what: Contended, fiber: AnyFiber, parent: Turn | undefined) => Turn
  /** What a fiber waits for now. */
  readonly waitOf: (fiber: AnyFiber) => string | undefined
}

/** Nobody, unless `Contention` is on: a pattern asks once when it is made, or at a wait. */
export const Contention = Context.Reference<Observer | undefined>("heddle/Contention/Observer", {
  defaultValue: () => undefined
})

/** The hold that a fiber works under. */
export const CurrentTurn = Context.Reference<Turn | undefined>("heddle/Contention/CurrentTurn", {
  defaultValue: () => undefined
})

/** What of Heddle a fiber waits for, where somebody observes that. */
export const waitOf = (fiber: AnyFiber): string | undefined => fiber.getRef(Contention)?.waitOf(fiber)
