import type * as Cause from "effect/Cause"
import { Line, type Place } from "../../internal/Line.ts"
import type { Waiters } from "./Waiters.ts"

/** An item on its way through one stage. */
export class Job<A, B, E> implements Place<Job<A, B, E>> {
  before: Job<A, B, E> | undefined
  behind: Job<A, B, E> | undefined
  line: Line<Job<A, B, E>> | undefined
  readonly item: A
  readonly key: unknown
  /** What comes of it, once it is known: in order of input it waits for those before it. */
  outcome: Outcome<B, E> | undefined
  /** Who works on it, when it is done and waits for those before it. */
  turn: Waiters | undefined

  /** Why it has no key. */
  readonly broken: Cause.Cause<never> | undefined

  constructor(item: A, key: unknown, broken: Cause.Cause<never> | undefined) {
    this.item = item
    this.key = key
    this.broken = broken
  }
}

/** It goes on, or is gone, or ends the stage. */
export type Outcome<B, E> =
  | { readonly _tag: "on"; readonly value: B }
  | { readonly _tag: "gone" }
  | { readonly _tag: "stop"; readonly cause: Cause.Cause<E> }

/**
 * What waits before a stage. With keys, only one job of a key is out at a time; those behind it wait in a line of their own, and
 * a key of which nothing is out or waits is forgotten.
 */
export class Intake<A, B, E> {
  private readonly ready = new Line<Job<A, B, E>>()
  private readonly lanes: Map<unknown, Line<Job<A, B, E>>> | undefined
  size = 0

  constructor(keyed: boolean) {
    this.lanes = keyed ? new Map() : undefined
  }

  get idle(): boolean {
    return this.ready.size === 0
  }

  push(job: Job<A, B, E>): void {
    this.size++
    const lane = this.lanes?.get(job.key)
    if (lane !== undefined) return lane.push(job)
    this.lanes?.set(job.key, new Line())
    this.ready.push(job)
  }

  next(): Job<A, B, E> | undefined {
    const job = this.ready.shift()
    if (job !== undefined) this.size--
    return job
  }

  /** A job is done with: the next of its key may go. Tells whether there is one. */
  release(job: Job<A, B, E>): boolean {
    const next = this.lanes?.get(job.key)?.shift()
    if (next === undefined) this.lanes?.delete(job.key)
    else this.ready.push(next)
    return next !== undefined
  }

  clear(): void {
    while (this.ready.shift() !== undefined);
    this.lanes?.clear()
    this.size = 0
  }
}
