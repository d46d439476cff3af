import type * as Fiber from "effect/Fiber"
import type { PoolErrors, Refusal } from "./poolErrors.ts"
import type { Entry, Outcome } from "./PoolJob.ts"
import type { PoolTally } from "./PoolTally.ts"
import { PriorityLine } from "./PriorityLine.ts"

export interface RoomSettings {
  /** How many stand in the queue at most. */
  readonly capacity: number
  readonly whenFull: "wait" | "reject" | "drop"
  /** How long somebody waits for room, in milliseconds. */
  readonly waitFor: number
}

interface Parts {
  readonly settings: RoomSettings
  readonly tally: PoolTally
  readonly errors: PoolErrors
  readonly after: (millis: number, call: () => void) => Fiber.Fiber<void>
}

/**
 * Where tasks wait: in the queue for a worker, at the door for room in the queue.
 *
 * Invariant: nobody stands at the door while there is room in the queue.
 */
export class PoolRoom {
  private readonly parts: Parts
  private readonly door: PriorityLine<Entry>
  private readonly queue: PriorityLine<Entry>
  constructor(parts: Parts) {
    const { counts } = parts.tally.metrics
    this.parts = parts
    this.door = new PriorityLine((by) => counts.waiting += by)
    this.queue = new PriorityLine((by) => counts.depth += by)
  }

  get queued(): number {
    return this.queue.size
  }

  get waiting(): number {
    return this.door.size
  }

  get size(): number {
    return this.queue.size + this.door.size
  }

  /** Lets a task in, or does with it what is done when there is no room. */
  enter(job: Entry): void {
    const { errors, settings: { capacity, waitFor, whenFull } } = this.parts
    if (this.queue.size < capacity) this.admit(job)
    else if (whenFull === "drop") this.displace(job)
    else if (whenFull === "reject" || waitFor === 0) this.turnAway(job, errors.full)
    else {
      job.where = "door"
      this.door.push(job)
      if (waitFor !== Infinity) job.patience = this.parts.after(waitFor, () => this.giveUp(job))
    }
  }

  /** Takes the next one. */
  take(): Entry | undefined {
    const next = this.queue.shift()
    if (next !== undefined) {
      this.refill()
      return next
    }
    // Only where the queue has no room at all.
    const first = this.door.shift()
    first?.patience?.interruptUnsafe()
    if (first !== undefined) this.parts.tally.accepted++
    return first
  }

  /** Takes one out. Whoever stands at the door was not accepted, and how that ends is not an outcome. */
  withdraw(job: Entry, outcome: Outcome): void {
    if (job.where === "door") this.door.remove(job)
    else {
      this.queue.remove(job)
      this.parts.tally.ended(outcome)
    }
    job.where = "gone"
    this.refill()
  }

  turnAway(job: Entry, error: Refusal): void {
    this.parts.tally.refuse()
    job.refuse(error)
  }

  /** Turns away all who stand at the door. */
  closeDoor(): void {
    for (let job = this.door.shift(); job !== undefined; job = this.door.shift()) {
      job.where = "gone"
      this.turnAway(job, this.parts.errors.closed)
    }
  }

  /** Tells all who stand in the queue that they will not be run. */
  clear(): void {
    for (let job = this.queue.shift(); job !== undefined; job = this.queue.shift()) {
      job.where = "gone"
      this.parts.tally.ended("notRun")
      job.refuse(this.parts.errors.closed)
    }
  }

  private admit(job: Entry): void {
    const { tally } = this.parts
    tally.accepted++
    job.patience?.interruptUnsafe()
    job.where = "queue"
    this.queue.push(job)
    tally.highWater = Math.max(tally.highWater, this.queue.size)
  }

  /** Makes room by dropping the oldest of those that matter least, which may be itself. */
  private displace(job: Entry): void {
    const { errors, tally } = this.parts
    const { least } = this.queue
    if (least === undefined || least.priority > job.priority) return this.turnAway(job, errors.full)
    this.queue.remove(least)
    least.where = "gone"
    tally.ended("dropped")
    this.admit(job)
    least.refuse(errors.dropped)
  }

  /** It waited for room as long as it should. */
  private giveUp(job: Entry): void {
    if (job.where !== "door") return
    this.withdraw(job, "timedOut")
    this.turnAway(job, this.parts.errors.waited)
  }

  private refill(): void {
    while (this.queue.size < this.parts.settings.capacity) {
      const next = this.door.shift()
      if (next === undefined) return
      this.admit(next)
    }
  }
}
