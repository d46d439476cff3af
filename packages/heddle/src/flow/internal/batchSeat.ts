import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import type { Turn } from "../../internal/Contended.ts"
import type { Line, Place } from "../../internal/Line.ts"

export type Waiter<A, E> = (exit: Exit.Exit<A, E>) => void

/**
 * Who has brought an item, until they are told its end. As an effect it is what is done when they are interrupted, so that a wait which
 * can be left makes no object of its own for that.
 */
export class Seat<A, E> extends Effectable.Class<void> {
  /** Its number in order of arrival; -1 before the item is taken, and once it was left before it was in a batch. */
  at = -1
  readonly tell: Waiter<A, E>
  /** Told when its batch begins, where somebody observes that. */
  readonly turn: Turn | undefined
  private readonly leave: (seat: Seat<A, E>) => Effect.Effect<void>
  constructor(tell: Waiter<A, E>, leave: (seat: Seat<A, E>) => Effect.Effect<void>, turn: Turn | undefined) {
    super()
    this.tell = tell
    this.turn = turn
    this.leave = leave
  }

  override asEffect(): Effect.Effect<void> {
    return this.leave(this)
  }
}

/** Who waits for room with their item. */
export class Standing<I, A, E> extends Seat<A, E> implements Place<Standing<I, A, E>> {
  before: Standing<I, A, E> | undefined = undefined
  behind: Standing<I, A, E> | undefined = undefined
  line: Line<Standing<I, A, E>> | undefined = undefined
  /** Told once that there is room, or why there will be none. */
  admitted: ((refused?: Exit.Exit<never, E>) => void) | undefined = undefined
  readonly item: I
  readonly weight: number
  constructor(
    item: I,
    weight: number,
    tell: Waiter<A, E>,
    leave: (seat: Seat<A, E>) => Effect.Effect<void>,
    turn: Turn | undefined
  ) {
    super(tell, leave, turn)
    this.item = item
    this.weight = weight
  }
}

/** Waits for the end of an item, as often as it is asked. An interruption of that does not touch the item. */
export class Ending<A, E> extends Effectable.Class<A, E> {
  private exit: Exit.Exit<A, E> | undefined = undefined
  private waiters: ReadonlyArray<Waiter<A, E>> = []

  /** The item has ended. Who waits for that goes on inside of this call. */
  readonly tell = (exit: Exit.Exit<A, E>): void => {
    const { waiters } = this
    this.exit = exit
    this.waiters = []
    for (const waiter of waiters) waiter(exit)
  }

  override asEffect(): Effect.Effect<A, E> {
    return this.exit ?? Effect.callback((resume) => {
      if (this.exit !== undefined) return resume(this.exit)
      this.waiters = [...this.waiters, resume]
      return Effect.sync(() => {
        this.waiters = this.waiters.filter((waiter) => waiter !== resume)
      })
    })
  }
}
