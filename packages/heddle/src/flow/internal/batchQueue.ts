import * as Array from "effect/Array"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { Line, type Place } from "../../internal/Line.ts"
import type { Tally } from "./flowMetrics.ts"
import { Ticket, type Waiter } from "./Ticket.ts"

/** An item on its way into a batch, and through it. */
export class Job<I, A, E> extends Ticket<A, E> implements Place<Job<I, A, E>> {
  before: Job<I, A, E> | undefined = undefined
  behind: Job<I, A, E> | undefined = undefined
  line: Line<Job<I, A, E>> | undefined = undefined
  batch: Batch<I, A, E> | undefined = undefined
  /** When it must go at the latest. */
  due = 0
  readonly item: I
  readonly weight: number
  constructor(item: I, weight: number, waiter?: Waiter<A, E>) {
    super(waiter)
    this.item = item
    this.weight = weight
  }
}

/** Items that go together. */
export class Batch<I, A, E> implements Place<Batch<I, A, E>> {
  before: Batch<I, A, E> | undefined = undefined
  behind: Batch<I, A, E> | undefined = undefined
  line: Line<Batch<I, A, E>> | undefined = undefined
  readonly jobs: globalThis.Array<Job<I, A, E>>
  readonly items: Array.NonEmptyReadonlyArray<I>
  /** How many they were: `jobs` is emptied at the end. */
  readonly size: number
  /** How many of them were left by those who brought them. */
  abandoned = 0
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  constructor(jobs: Array.NonEmptyArray<Job<I, A, E>>) {
    this.jobs = jobs
    this.items = Array.map(jobs, ({ item }) => item)
    this.size = jobs.length
    for (const job of jobs) {
      job.batch = this
      job.turn?.entered()
    }
  }
}

export interface Limits {
  readonly maxSize: number
  readonly maxWeight: number
  /** Milliseconds. */
  readonly maxWait: number
  readonly capacity: number
}

export type Count = "depth" | "waiting" | "active" | "completed" | "failed" | "dropped"

/**
 * Items in order of arrival, until they go in a batch.
 *
 * Invariant: while somebody stands in `outside`, `jobs` has as many as its capacity.
 */
export class BatchQueue<I, A, E> {
  readonly jobs = new Line<Job<I, A, E>>()
  /** Those who wait for room. */
  readonly outside = new Line<Job<I, A, E>>()
  private readonly limits: Limits
  private readonly now: () => number
  private readonly tally: Tally<Count>
  private readonly tell: (job: Job<I, A, E>) => void
  private weight = 0
  /** How many of those that stand first go without waiting for more. */
  private pressed = 0
  constructor(limits: Limits, now: () => number, tally: Tally<Count>, tell: (job: Job<I, A, E>) => void) {
    this.limits = limits
    this.now = now
    this.tally = tally
    this.tell = tell
  }

  get hasRoom(): boolean {
    return this.jobs.size < this.limits.capacity
  }

  /** Answers whether it was taken at once. */
  enter(job: Job<I, A, E>): boolean {
    if (this.hasRoom) {
      this.admit(job)
      return true
    }
    this.outside.push(job)
    this.tally.counts.waiting++
    return false
  }

  /** Takes one that waits for room although there is none. */
  force(job: Job<I, A, E>): void {
    if (job.line !== this.outside) return
    this.leaveOutside(job)
    this.admit(job)
  }

  /** One goes that is in no batch. */
  remove(job: Job<I, A, E>): void {
    if (job.line === this.outside) return this.leaveOutside(job)
    this.tally.counts.dropped++
    this.take(job)
    this.pressed = Math.min(this.pressed, this.jobs.size)
    this.refill()
  }

  /** All that stand in it now go without waiting for more. */
  press(): void {
    this.pressed = this.jobs.size
  }

  /** Whether a batch is full. */
  get full(): boolean {
    const { maxSize, maxWeight } = this.limits
    return this.jobs.size >= maxSize || this.weight >= maxWeight
  }

  /** The instant at which a batch should go; `Infinity` if nothing says so. */
  get due(): number {
    const { head } = this.jobs
    if (head === undefined) return Infinity
    return this.pressed > 0 || this.full ? -Infinity : head.due
  }

  /** The next batch: as many of the first as fit. */
  cut(): Batch<I, A, E> | undefined {
    const { jobs, limits: { maxSize, maxWeight } } = this
    const first = jobs.head
    if (first === undefined) return undefined
    const batch: Array.NonEmptyArray<Job<I, A, E>> = [first]
    let { weight } = first
    jobs.shift()
    for (let next = jobs.head; next !== undefined && batch.length < maxSize; next = jobs.head) {
      if (weight + next.weight > maxWeight) break
      weight += next.weight
      jobs.shift()
      batch.push(next)
    }
    this.weight = jobs.size === 0 ? 0 : this.weight - weight
    this.pressed = Math.max(0, this.pressed - batch.length)
    this.tally.counts.depth -= batch.length
    this.tally.counts.active += batch.length
    this.refill()
    return new Batch(batch)
  }

  /** The items of a batch have ended, each with its exit, or all with one. They are not told. */
  end(batch: Batch<I, A, E>, exits: ReadonlyArray<Exit.Exit<A, E>> | Exit.Exit<A, E>, dropped: boolean): void {
    const { jobs, size } = batch
    const own = (at: number) => "length" in exits ? exits[at] ?? wrong(size, at) : exits
    const { counts, latency } = this.tally
    const now = latency === undefined ? 0 : latency.now()
    let completed = 0
    for (let at = 0; at < jobs.length; at++) {
      const job = jobs[at]
      if (job === undefined) continue
      const exit = own(at)
      if (exit._tag === "Success") completed++
      if (latency !== undefined) latency.took(now - job.since)
      job.exit = exit
    }
    counts.active -= size
    if (dropped) counts.dropped += size
    else {
      counts.completed += completed
      counts.failed += size - completed
    }
  }

  /** Nobody waits for room any more. */
  turnAway(refused: Exit.Exit<never, E>): void {
    for (let job = this.outside.head; job !== undefined; job = this.outside.head) {
      this.leaveOutside(job)
      this.refuse(job, refused)
    }
  }

  /** Nothing that is in no batch will go; answers what that was. */
  clear(refused: Exit.Exit<never, E>): ReadonlyArray<I> {
    const cleared: globalThis.Array<I> = []
    for (let job = this.jobs.head; job !== undefined; job = this.jobs.head) {
      this.tally.counts.dropped++
      cleared.push(job.item)
      this.take(job)
      this.refuse(job, refused)
    }
    return cleared
  }

  private admit(job: Job<I, A, E>): void {
    const { limits: { maxWait }, tally: { counts, latency } } = this
    if (maxWait > 0) job.due = maxWait === Infinity ? Infinity : this.now() + maxWait
    if (latency !== undefined) job.since = latency.now()
    counts.depth++
    this.weight += job.weight
    this.jobs.push(job)
  }

  private take(job: Job<I, A, E>): void {
    const { jobs } = this
    jobs.remove(job)
    this.tally.counts.depth--
    this.weight = jobs.size === 0 ? 0 : this.weight - job.weight
  }

  private refill(): void {
    while (this.hasRoom) {
      const next = this.outside.head
      if (next === undefined) return
      this.leaveOutside(next)
      this.admit(next)
      this.tell(next)
    }
  }

  private leaveOutside(job: Job<I, A, E>): void {
    this.outside.remove(job)
    this.tally.counts.waiting--
  }

  private refuse(job: Job<I, A, E>, refused: Exit.Exit<never, E>): void {
    job.exit = refused
    this.tell(job)
  }
}

/** What a batch comes to whose outcomes are not one for each item. */
export const wrong = (items: number, exits: number): Exit.Exit<never> =>
  Exit.die(new Error(`A batch of ${items} items has ${exits} outcomes: answer one for each, in their order`))
