import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import { Line, type Place } from "../../internal/Line.ts"
import { Waiters } from "./Waiters.ts"

/** Where a stage puts what it has done. Who puts in looks first whether it must wait, or waits after it. */
export interface Inlet<in A, in E> {
  readonly push: (item: A) => void
  /** Whether there is no room for one more. */
  readonly full: boolean
  /** Whether there is more than there is room for: each of those who put in may have done so once. */
  readonly over: boolean
  readonly room: Effect.Effect<void>
  /** What it holds in the room of the stage before it. */
  readonly lent: number
  /** No more will come, and why, if not because all is done. */
  readonly end: (cause: Cause.Cause<E> | undefined) => void
}

class Done<A> implements Place<Done<A>> {
  before: Done<A> | undefined
  behind: Done<A> | undefined
  line: Line<Done<A>> | undefined
  readonly item: A
  constructor(item: A) {
    this.item = item
  }
}

/**
 * The end of a pipeline. It has no room of its own: what waits for the consumer stands in the room of the last stage, so that the
 * stage need not wait for each item to be taken.
 */
export class Outlet<A, E> implements Inlet<A, E> {
  private readonly line = new Line<Done<A>>()
  private readonly consumers = new Waiters()
  private ended = false
  private cause: Cause.Cause<E> | undefined
  private readonly taken: () => void
  readonly full = false
  readonly over = false
  readonly room = Effect.void
  delivered = 0
  dropped = 0

  /** `taken` is called when the consumer has taken an item. */
  constructor(taken: () => void) {
    this.taken = taken
  }

  get lent(): number {
    return this.line.size
  }

  push(item: A): void {
    this.line.push(new Done(item))
    this.consumers.wakeAll()
  }

  end(cause: Cause.Cause<E> | undefined): void {
    if (this.ended) return
    this.ended = true
    this.cause = cause
    this.consumers.wakeAll()
  }

  readonly pull: Pull.Pull<NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
    const done = this.line.shift()
    if (done !== undefined) {
      this.delivered++
      this.taken()
      return Effect.succeed([done.item])
    }
    if (this.ended) return this.cause === undefined ? Cause.done() : Effect.failCause(this.cause)
    return Effect.andThen(this.consumers.until(() => this.line.size > 0 || this.ended), this.pull)
  })

  /** Whoever still asks is not told that all is done. */
  close(): void {
    if (!this.ended || this.line.size > 0) this.cause = Cause.interrupt()
    this.ended = true
    while (this.line.shift() !== undefined) this.dropped++
    this.consumers.wakeAll()
  }
}
