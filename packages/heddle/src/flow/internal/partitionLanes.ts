import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import { Line } from "../../internal/Line.ts"
import type { PartitionerClosed } from "../Partitioner.ts"
import { family, type Tally } from "./flowMetrics.ts"
import { type Job, Lane } from "./partitionJob.ts"

export interface Room {
  readonly perKey: number
  readonly capacity: number
  readonly name: string | undefined
  readonly context: Context.Context<never>
}

/**
 * Who stands where: in line for room, in a lane, or gone to run.
 *
 * Invariants: a lane stands in `ready` if and only if it has jobs and nobody runs one of it. While somebody stands in `outside`,
 * `total` is `capacity`; while somebody stands in a lane's `outside`, its `taken` is `perKey`. A lane is in `byKey` if and only if
 * its `taken` is not 0.
 */
export class Lanes<I, A, E> {
  readonly byKey = new Map<unknown, Lane<I, A, E>>()
  /** Lanes that can go on, the one that has waited longest first. */
  readonly ready = new Line<Lane<I, A, E>>()
  /** Items that were taken and have not ended. */
  total = 0
  active = 0
  waiting = 0
  /** Those who have room in their lane and wait for room among all. */
  private readonly outside = new Line<Job<I, A, E>>()
  private readonly room: Room
  private readonly changed: () => void
  private readonly tally: Tally<keyof typeof counted>
  /** Where jobs are that have ended. */
  private readonly nowhere = new Lane<I, A, E>(undefined)
  private told: Array<Job<I, A, E>> = []
  /** `changed` is called when somebody is to be told something, a lane has become ready, or nothing is left. */
  constructor(room: Room, changed: () => void) {
    this.room = room
    this.changed = changed
    this.tally = metrics.of(room.context, { name: room.name })
  }

  of(key: unknown): Lane<I, A, E> {
    let lane = this.byKey.get(key)
    if (lane === undefined) this.byKey.set(key, lane = new Lane(key))
    return lane
  }

  /** The lane of a key, if one more would be taken at once. */
  withRoom(key: unknown): Lane<I, A, E> | undefined {
    if (this.total >= this.room.capacity) return undefined
    const lane = this.of(key)
    return lane.taken < this.room.perKey ? lane : undefined
  }

  /** Answers whether it was taken at once. */
  enter(job: Job<I, A, E>): boolean {
    const { lane } = job
    if (lane.taken < this.room.perKey) {
      lane.taken++
      return this.enterAll(job)
    }
    lane.outside ??= new Line()
    lane.outside.push(job)
    this.wait(1)
    return false
  }

  /** The next item of the lane that has waited longest. */
  take(): Job<I, A, E> | undefined {
    const job = this.ready.shift()?.shift()
    if (job === undefined) return undefined
    this.active++
    this.tally.counts.depth--
    this.tally.counts.active++
    return job
  }

  /** One that was taken by `take` has ended. */
  end(job: Job<I, A, E>, exit: NonNullable<typeof job.exit>, how: "completed" | "failed" | "dropped"): void {
    const { lane } = job
    const { counts, latency } = this.tally
    lane.runner = undefined
    this.active--
    counts.active--
    if (how === "completed") counts.completed++
    else if (how === "failed") counts.failed++
    else counts.dropped++
    latency?.took(latency.now() - job.since)
    job.exit = exit
    job.lane = this.nowhere
    this.tell(job)
    this.vacate(lane)
    if (lane.head !== undefined && lane.line === undefined) this.goOn(lane)
  }

  /** One that does not run goes from wherever it stands. */
  remove(job: Job<I, A, E>): void {
    const { lane, line } = job
    line?.remove(job)
    if (line === lane) {
      if (lane.head === undefined) lane.line?.remove(lane)
      this.drop(lane)
    } else {
      this.wait(-1)
      if (line === this.outside) this.vacateLane(lane)
    }
  }

  /** Nobody waits for room any more. */
  turnAway(refused: Exit.Exit<never, PartitionerClosed>): void {
    const refuse = (job: Job<I, A, E>) => {
      this.wait(-1)
      this.refuse(job, refused)
    }
    for (const { outside } of this.byKey.values()) outside?.drain(refuse)
    this.outside.drain((job) => {
      refuse(job)
      this.vacateLane(job.lane)
    })
  }

  /** Nothing that has not started will; answers what that was. */
  clear(refused: Exit.Exit<never, PartitionerClosed>): ReadonlyArray<I> {
    const cleared: Array<I> = []
    for (const lane of this.byKey.values()) {
      lane.line?.remove(lane)
      lane.drain((job) => {
        cleared.push(job.item)
        this.refuse(job, refused)
        this.drop(lane)
      })
    }
    return cleared
  }

  /** Tells everybody what has become of what they brought. */
  tellAll(): void {
    const { told } = this
    this.told = []
    for (const job of told) job.tell()
    told.length = 0
  }

  private enterAll(job: Job<I, A, E>): boolean {
    if (this.total < this.room.capacity) {
      this.admit(job)
      return true
    }
    this.outside.push(job)
    this.wait(1)
    return false
  }

  private admit(job: Job<I, A, E>): void {
    const { lane } = job
    const { counts, latency } = this.tally
    this.total++
    counts.depth++
    if (latency !== undefined) job.since = latency.now()
    lane.push(job)
    if (lane.runner === undefined && lane.line === undefined) this.goOn(lane)
  }

  private goOn(lane: Lane<I, A, E>): void {
    this.ready.push(lane)
    this.changed()
  }

  private wait(more: number): void {
    this.waiting += more
    this.tally.counts.waiting += more
  }

  /** An item of the lane goes that has not started. */
  private drop(lane: Lane<I, A, E>): void {
    this.tally.counts.depth--
    this.tally.counts.dropped++
    this.vacate(lane)
  }

  /** Gives back the place that an item had in its lane and among all. */
  private vacate(lane: Lane<I, A, E>): void {
    if (--this.total === 0) this.changed()
    const next = this.outside.shift()
    if (next !== undefined) {
      this.wait(-1)
      this.admit(next)
      this.tell(next)
    }
    this.vacateLane(lane)
  }

  private vacateLane(lane: Lane<I, A, E>): void {
    const next = lane.outside?.shift()
    if (next === undefined) {
      if (--lane.taken === 0) this.byKey.delete(lane.key)
      return
    }
    this.wait(-1)
    if (this.enterAll(next)) this.tell(next)
  }

  private refuse(job: Job<I, A, E>, refused: Exit.Exit<never, PartitionerClosed>): void {
    job.exit = refused
    this.tell(job)
  }

  private tell(job: Job<I, A, E>): void {
    if (!job.awaited) return
    this.told.push(job)
    this.changed()
  }
}

const counted = {
  depth: "Items that were taken and have not started",
  waiting: "Items that wait for room",
  active: "Items that run",
  completed: "Items that were handled",
  failed: "Items whose handler failed",
  dropped: "Items that were taken and did not run to their end: their submitter was interrupted, or a shutdown was over"
}

const metrics = family("partitioner", counted, "How long items took, from when they were taken to their end")
