import type { Failure, Outcome } from "../Job.ts"
import { type Entry, level } from "../JobBackend.ts"
import { Heap } from "./Heap.ts"

interface Mutable extends Entry {
  /** Its rank among those that came with it. */
  seq: number
  enqueued: number
  /** When it can be claimed. */
  ready: number
  /** When its claim ends, or it is forgotten, if it is claimed or has ended. */
  due: number
  attempts: number
  state: "waiting" | "claimed" | "dead" | "ended"
  token: number
  owner: string | undefined
  failure: Failure | undefined
  outcome: Outcome | undefined
  progress: Uint8Array | undefined
}

/**
 * All that a queue knows of a job.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobRecord extends Readonly<Mutable> {}

export interface BookedJob extends Mutable {
  /** Changes whenever what stands in a heap for the job no longer holds. */
  stamp: number
}

/** What stands in a heap for a job. */
interface Note {
  readonly at: number
  readonly seq: number
  readonly job: BookedJob
  readonly stamp: number
}

const isBefore = (one: Note, other: Note): boolean => one.at < other.at || (one.at === other.at && one.seq < other.seq)

/** The jobs of a queue, and who of them is next: for a claim, by itself, and in its key. */
export class JobBook {
  readonly jobs = new Map<string, BookedJob>()
  readonly dead = new Set<BookedJob>()
  /** The unfinished jobs of each key, oldest first. */
  private readonly keys = new Map<string, Array<BookedJob>>()
  private readonly claimable = new Heap<Note>(isBefore)
  /** What happens by itself: a delay is over, a claim expires, a job is forgotten. */
  private readonly due = new Heap<Note>(isBefore)
  private seq = 0

  add(now: number, entry: Entry): void {
    const job: BookedJob = {
      ...entry,
      seq: 0,
      enqueued: now,
      ready: now + entry.delay,
      due: Infinity,
      attempts: 0,
      state: "waiting",
      token: 0,
      owner: undefined,
      failure: undefined,
      outcome: undefined,
      progress: undefined,
      stamp: 0
    }
    this.jobs.set(job.id, job)
    this.join(now, job)
  }

  /** Takes up jobs that another book has known, in its order; `dead` are the dead ones, in the order of their deaths. */
  restore(now: number, records: ReadonlyArray<JobRecord>, dead: ReadonlyArray<string>): void {
    const all = records.map((record): BookedJob => ({ ...record, stamp: 0 }))
    for (const job of all) this.jobs.set(job.id, job)
    for (const id of dead) {
      const job = this.jobs.get(id)
      if (job !== undefined) this.dead.add(job)
    }
    for (const job of all.toSorted((one, other) => one.seq - other.seq)) {
      this.seq = job.seq
      if (job.state === "waiting" || job.state === "claimed") this.line(job)
      if (job.state === "waiting") this.wait(now, job)
      else if (job.state !== "dead") this.dueAt(job, job.due)
    }
  }

  /** Comes behind all others, those of its key too. */
  join(now: number, job: BookedJob): void {
    job.seq = ++this.seq
    this.line(job)
    this.wait(now, job)
  }

  private line(job: BookedJob): void {
    if (job.key === undefined) return
    const line = this.keys.get(job.key)
    if (line === undefined) this.keys.set(job.key, [job])
    else line.push(job)
  }

  wait(now: number, job: BookedJob): void {
    job.state = "waiting"
    job.stamp++
    if (job.key !== undefined && this.keys.get(job.key)?.[0] !== job) return
    const { priority, ready } = job
    if (ready > now) this.note(this.due, job, ready)
    else this.note(this.claimable, job, ready - priority * level)
  }

  /** Something is due for the job at that time, unless something else happens to it before. */
  dueAt(job: BookedJob, at: number): void {
    job.stamp++
    job.due = at
    this.note(this.due, job, at)
  }

  /** No longer holds those of its key. */
  leave(now: number, job: BookedJob): void {
    if (job.key === undefined) return
    const line = this.keys.get(job.key) ?? []
    const at = line.indexOf(job)
    if (at < 0) return
    line.splice(at, 1)
    const first = line[0]
    if (first === undefined) this.keys.delete(job.key)
    else if (at === 0) this.wait(now, first)
  }

  forget(job: BookedJob): void {
    job.stamp++
    this.dead.delete(job)
    this.jobs.delete(job.id)
  }

  get firstClaimable(): BookedJob | undefined {
    return this.head(this.claimable)?.job
  }

  /** When something is due next. */
  get next(): number {
    return this.head(this.due)?.at ?? Infinity
  }

  /** Takes the first for whom something is due by now. */
  takeDue(now: number): BookedJob | undefined {
    return this.next <= now ? this.due.shift()?.job : undefined
  }

  /** A job has one note in a heap that holds, so that of more than twice as many most are of the past. */
  private note(heap: Heap<Note>, job: BookedJob, at: number): void {
    if (heap.size > 2 * this.jobs.size + 64) heap.keep(({ job, stamp }) => job.stamp === stamp)
    heap.push({ at, seq: job.seq, job, stamp: job.stamp })
  }

  /** The first note that still holds. */
  private head(heap: Heap<Note>): Note | undefined {
    for (let note = heap.head; note !== undefined; note = heap.head) {
      if (note.stamp === note.job.stamp) return note
      heap.shift()
    }
    return undefined
  }
}
