import type { Failure, Outcome } from "../Job.ts"
import { type Entry, level } from "../JobBackend.ts"
import { Heap } from "./Heap.ts"

export interface BookedJob extends Entry {
  /** Its rank among those that came with it. */
  seq: number
  readonly enqueued: number
  /** When it can be claimed. */
  ready: number
  attempts: number
  state: "waiting" | "claimed" | "dead" | "ended"
  token: number
  owner: string | undefined
  failure: Failure | undefined
  outcome: Outcome | undefined
  progress: Uint8Array | undefined
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

  /** Comes behind all others, those of its key too. */
  join(now: number, job: BookedJob): void {
    job.seq = ++this.seq
    if (job.key !== undefined) {
      const line = this.keys.get(job.key)
      if (line === undefined) this.keys.set(job.key, [job])
      else line.push(job)
    }
    this.wait(now, job)
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
