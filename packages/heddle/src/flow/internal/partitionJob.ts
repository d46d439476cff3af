import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { PartitionerClosed } from "../Partitioner.ts"
import { Line, type Place } from "./Line.ts"

export type Outcome<A, E> = Exit.Exit<A, E | PartitionerClosed>

/** An item on its way: it waits for room, stands in its lane, runs, and has ended when it has an `exit`. */
export class Job<I, A, E> implements Place<Job<I, A, E>> {
  before: Job<I, A, E> | undefined = undefined
  behind: Job<I, A, E> | undefined = undefined
  line: Line<Job<I, A, E>> | undefined = undefined
  exit: Outcome<A, E> | undefined = undefined
  /** When it was taken, if that is asked for. */
  since = 0
  readonly item: I
  readonly lane: Lane<I, A, E>
  /** Told when there is room for it; gone once it was. */
  admitted: (() => void) | undefined = undefined
  /** Told when it has ended. */
  private waiters: Array<(exit: Outcome<A, E>) => void> | undefined
  constructor(item: I, lane: Lane<I, A, E>, waiter?: (exit: Outcome<A, E>) => void) {
    this.item = item
    this.lane = lane
    this.waiters = waiter && [waiter]
  }

  get awaited(): boolean {
    return this.waiters !== undefined || this.admitted !== undefined
  }

  tell(): void {
    const { admitted, waiters } = this
    this.admitted = undefined
    admitted?.()
    if (this.exit === undefined || waiters === undefined) return
    this.waiters = undefined
    for (const waiter of waiters) waiter(this.exit)
  }

  /** Waits for its end; an interruption does not touch it. */
  get await(): Effect.Effect<A, E | PartitionerClosed> {
    return Effect.suspend(() => this.exit ?? this.end)
  }

  private get end(): Effect.Effect<A, E | PartitionerClosed> {
    return Effect.callback((resume) => {
      if (this.exit !== undefined) return resume(this.exit)
      this.waiters ??= []
      this.waiters.push(resume)
      return Effect.sync(() => {
        this.waiters = this.waiters?.filter((waiter) => waiter !== resume)
      })
    })
  }
}

/** One key that has something to do. */
export class Lane<I, A, E> implements Place<Lane<I, A, E>> {
  before: Lane<I, A, E> | undefined = undefined
  behind: Lane<I, A, E> | undefined = undefined
  line: Line<Lane<I, A, E>> | undefined = undefined
  readonly key: unknown
  readonly jobs = new Line<Job<I, A, E>>()
  /** Those who wait for room in this lane. */
  readonly outside = new Line<Job<I, A, E>>()
  runner: Runner<I, A, E> | undefined = undefined
  /** Its places that are taken: by what runs, what stands in `jobs`, and what waits for room among all. */
  size = 0
  constructor(key: unknown) {
    this.key = key
  }
}

/** A fiber that runs one item after another, and ends early when what it runs is interrupted. */
export class Runner<I, A, E> {
  /** The one that it runs, or the last one that it ran if it is not `busy`. */
  job: Job<I, A, E>
  busy = true
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  constructor(job: Job<I, A, E>) {
    this.job = job
    job.lane.runner = this
  }
}
