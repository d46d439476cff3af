import * as Cause from "effect/Cause"
import { Line, type Place } from "./Line.ts"
import type { Standing } from "./multiplexerOrder.ts"
import { Waiters } from "./Waiters.ts"

/** An element that was taken from its source and waits to be delivered. */
export class Waiting<A> implements Place<Waiting<A>> {
  before: Waiting<A> | undefined
  behind: Waiting<A> | undefined
  line: Line<Waiting<A>> | undefined
  readonly element: A
  readonly arrival: number
  readonly due: number
  constructor(element: A, arrival: number, due: number) {
    this.element = element
    this.arrival = arrival
    this.due = due
  }
}

/** What to do with an element for which there is no room: `"wait"`, or wait so many milliseconds and drop it. */
export type WhenFull = "wait" | "dropOldest" | "dropNewest" | number

export interface LaneOptions {
  readonly rank: number
  readonly capacity: number
  readonly whenFull: WhenFull
  readonly onEnd: "continue" | "stop"
  readonly onError: "stop" | "continue" | "leaveOut"
}

/**
 * One source: offered = delivered + dropped + waiting, after each step.
 *
 * An element that waits for room waits in the line, one beyond the capacity, and not in the hands of the fiber that brought it.
 */
export class Lane<A> implements Standing {
  readonly rank: number
  readonly options: LaneOptions
  readonly line = new Line<Waiting<A>>()
  readonly room = new Waiters()
  state: "running" | "ended" | "failed" | "stopped" = "running"
  offered = 0
  delivered = 0
  dropped = 0
  served = 0

  constructor(options: LaneOptions) {
    this.rank = options.rank
    this.options = options
  }

  get arrival(): number {
    return this.line.head?.arrival ?? Infinity
  }

  get due(): number {
    return this.line.head?.due ?? Infinity
  }

  get full(): boolean {
    return this.line.size >= this.options.capacity
  }

  get over(): boolean {
    return this.line.size > this.options.capacity
  }

  /** A defect is nobody's choice, so it is shown. */
  leavesOut(cause: Cause.Cause<unknown>): boolean {
    return this.options.onError === "leaveOut" && !Cause.hasDies(cause)
  }

  /** A source that waits for ever is woken for half a buffer and not for each element: it is a turn of a fiber. */
  get roomy(): boolean {
    const { capacity, whenFull } = this.options
    return this.line.size <= (whenFull === "wait" ? Math.max(1, Math.floor(capacity / 2)) : capacity)
  }
}
