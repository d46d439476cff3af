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
  /** Not that of its key any more when it has ended: whoever keeps the job for its outcome keeps no lane. */
  lane: Lane<I, A, E>
  constructor(item: I, lane: Lane<I, A, E>, waiter?: Waiter<A, E | PartitionerClosed>) {
    super(waiter)
    this.item = item
    this.lane = lane
  }
}

/** One key that has something to do: the line of its jobs that have not started. */
export class Lane<I, A, E> extends Line<Job<I, A, E>> implements Place<Lane<I, A, E>> {
  before: Lane<I, A, E> | undefined = undefined
  behind: Lane<I, A, E> | undefined = undefined
  line: Line<Lane<I, A, E>> | undefined = undefined
  readonly key: unknown
  /** Those who wait for room in this lane, if ever somebody did. */
  outside: Line<Job<I, A, E>> | undefined = undefined
  runner: Runner<I, A, E> | undefined = undefined
  /** Its places that are taken: by what runs, what stands in line, and what waits for room among all. */
  taken = 0
  constructor(key: unknown) {
    super()
    this.key = key
  }
}

/** A fiber that runs items. */
export interface Runner<I, A, E> {
  /** The one that it runs, or the last one that it ran if it is not `busy`. */
  readonly job: Job<I, A, E>
  readonly fiber: Fiber.Fiber<unknown, unknown> | undefined
}
