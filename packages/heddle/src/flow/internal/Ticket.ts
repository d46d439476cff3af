import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import type { Turn } from "../../internal/Contended.ts"

export type Waiter<A, E> = (exit: Exit.Exit<A, E>) => void

/**
 * What somebody has brought: it waits for room, is taken, and has ended when it has an `exit`. As an effect it waits for its end, and an
 * interruption of that does not touch it.
 */
export class Ticket<A, E> extends Effectable.Class<A, E> {
  exit: Exit.Exit<A, E> | undefined = undefined
  /** Told when it begins, where somebody observes that. */
  turn: Turn | undefined = undefined
  /** When it was taken, if that is asked for. */
  since = 0
  /** Told when there is room for it; gone once it was. */
  admitted: (() => void) | undefined = undefined
  /** Told when it has ended. */
  private waiters: Waiter<A, E> | Array<Waiter<A, E>> | undefined
  constructor(waiter: Waiter<A, E> | undefined) {
    super()
    this.waiters = waiter
  }

  override asEffect(): Effect.Effect<A, E> {
    return this.exit ?? this.end
  }

  get awaited(): boolean {
    return this.waiters !== undefined || this.admitted !== undefined
  }

  /** Tells those who wait what has become of it. They go on inside of this call. */
  tell(): void {
    const { admitted, waiters } = this
    this.admitted = undefined
    admitted?.()
    if (this.exit === undefined || waiters === undefined) return
    this.waiters = undefined
    if (typeof waiters === "function") return waiters(this.exit)
    for (const waiter of waiters) waiter(this.exit)
  }

  private get end(): Effect.Effect<A, E> {
    return Effect.callback((resume) => {
      if (this.exit !== undefined) return resume(this.exit)
      const { waiters = [] } = this
      this.waiters = typeof waiters === "function" ? [waiters, resume] : [...waiters, resume]
      return Effect.sync(() => {
        if (Array.isArray(this.waiters)) this.waiters = this.waiters.filter((waiter) => waiter !== resume)
      })
    })
  }
}

/** Who waits for something goes: handed to the runtime, for the case of an interruption. */
export class Leaving<T> extends Effectable.Class<void> {
  private readonly leave: (left: T) => Effect.Effect<void>
  private readonly left: T
  constructor(leave: (left: T) => Effect.Effect<void>, left: T) {
    super()
    this.leave = leave
    this.left = left
  }

  override asEffect(): Effect.Effect<void> {
    return this.leave(this.left)
  }
}
