import * as Cause from "effect/Cause"
import { Line, type Place } from "../../internal/Line.ts"
import { family, type Tally } from "./flowMetrics.ts"
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
  /** When it was taken, in seconds: kept where somebody measures how long it waits. */
  readonly since: number
  constructor(element: A, arrival: number, due: number, since: number) {
    this.element = element
    this.arrival = arrival
    this.due = due
    this.since = since
  }
}

/** What to do with an element for which there is no room: `"wait"`, or wait so many milliseconds and drop it. */
export type WhenFull = "wait" | "dropOldest" | "dropNewest" | number

type Count = "depth" | "waiting" | "completed" | "dropped"

export const metrics = family<Count>("multiplexer", {
  depth: "Elements that were taken from a source and wait to be delivered",
  waiting: "Sources that wait for room",
  completed: "Elements delivered",
  dropped: "Elements dropped for want of room"
}, "How long elements waited before they were delivered")

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
  private readonly tally: Tally<Count>
  private gauged = true
  state: "running" | "ended" | "failed" | "stopped" = "running"
  offered = 0
  delivered = 0
  dropped = 0
  served = 0

  constructor(options: LaneOptions, tally: Tally<Count>) {
    this.rank = options.rank
    this.options = options
    this.tally = tally
  }

  /** An element joins, or is dropped before it does. Tells whether it joined. */
  enter(element: A, arrival: number, due: number): Waiting<A> | undefined {
    const { counts, latency } = this.tally
    this.offered++
    if (this.full && this.options.whenFull === "dropNewest") {
      this.dropped++
      counts.dropped++
      return undefined
    }
    const waiting = new Waiting(element, arrival, due, latency === undefined ? 0 : latency.now())
    this.line.push(waiting)
    this.gauge(1)
    return waiting
  }

  deliver(): Waiting<A> | undefined {
    const first = this.line.shift()
    if (first === undefined) return undefined
    const { counts, latency } = this.tally
    this.delivered++
    counts.completed++
    if (latency !== undefined) latency.took(latency.now() - first.since)
    this.gauge(-1)
    return first
  }

  drop(which: Waiting<A>): void {
    this.line.remove(which)
    this.dropped++
    this.tally.counts.dropped++
    this.gauge(-1)
  }

  /** The gauges no longer tell of it, though some may still be delivered. */
  forget(): void {
    this.tally.counts.depth -= this.line.size
    if (this.over) this.tally.counts.waiting--
    this.gauged = false
  }

  private gauge(change: 1 | -1): void {
    if (!this.gauged) return
    const { counts } = this.tally
    const { capacity } = this.options
    counts.depth += change
    if (this.line.size === capacity + (change === 1 ? 1 : 0)) counts.waiting += change
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
