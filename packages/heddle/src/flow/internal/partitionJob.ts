import type * as Fiber from "effect/Fiber"
import { Line, type Place } from "../../internal/Line.ts"
import type { PartitionerClosed } from "../Partitioner.ts"
import { Ticket, type Waiter } from "./Ticket.ts"

/** An item on its way through its lane. */
export class Job<I, A, E> extends Ticket<A, E | PartitionerClosed> implements Place<Job<I, A, E>> {
  before: Job<I, A, E> | undefined = undefined
  behind: Job<I, A, E> | undefined = undefined
  line: Line<Job<I, A, E>> | undefined = undefined
  readonly item: I
  readonly lane: Lane<I, A, E>
  constructor(item: I, lane: Lane<I, A, E>, waiter?: Waiter<A, E | PartitionerClosed>) {
    super(waiter)
    this.item = item
    this.lane = lane
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
