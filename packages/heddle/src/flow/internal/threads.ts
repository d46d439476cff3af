import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Worker from "effect/workers/Worker"
import { Line } from "../../internal/Line.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { Thread, type ThreadJob } from "./thread.ts"

/** A thread has at least one job ahead, so that it does not wait for the next message. */
const shallowest = 2
const deepest = 16
/** Where jobs take less, in milliseconds, it has more of them ahead. */
const quick = 1
/** A job that takes more ends that. */
const slow = 4

export interface ThreadsOptions {
  readonly size: number
  readonly recycleAfter: number
  readonly context: Context.Context<Worker.WorkerPlatform | Worker.Spawner>
  readonly scope: Scope.Scope
  /** Told when the threads can hold more or fewer jobs than before. */
  readonly holds: () => void
}

/**
 * Gives jobs to threads. Each thread has one ahead, and more where they are quick; a thread that has none takes what another was sent and
 * has not begun. Of fewer threads than there are, those that are too many do what they have begun, and end.
 */
export class Threads {
  /** How many have ended and were started anew. */
  restarted = 0
  private readonly options: ThreadsOptions
  private readonly now: () => number
  private all: ReadonlyArray<Thread> = []
  private made = 0
  private readonly waiting = new Line<ThreadJob>()
  private starters: Array<() => void> = []
  private depth = shallowest
  private closed = false
  size: number
  constructor(options: ThreadsOptions) {
    this.options = options
    this.now = monotonic(Context.get(options.context, Clock.Clock))
    this.size = options.size
    this.all = Array.from({ length: options.size }, () => this.another())
  }

  /** How many jobs the threads can hold now. */
  get room(): number {
    return this.depth * this.size
  }

  get ready(): number {
    return this.all.filter(({ leaving, state }) => state === "ready" && !leaving).length
  }

  /** Starts them, and waits until each is ready or has ended. */
  readonly start: Effect.Effect<void> = Effect.callback((resume) => {
    this.starters.push(() => resume(Effect.void))
    for (const thread of this.all) thread.start()
  })

  /** New threads come up beside; what those that are too many have not begun goes to others. */
  resize(size: number): void {
    if (this.closed) return
    this.size = size
    for (const thread of this.all.filter(({ leaving }) => !leaving).slice(size)) this.retire(thread)
    let missing = size - this.all.filter(({ leaving }) => !leaving).length
    for (const thread of this.all) {
      if (missing === 0) break
      if (!thread.leaving || thread.state === "ending") continue
      thread.leaving = false
      missing--
    }
    const more = Array.from({ length: missing }, () => this.another())
    this.all = [...this.all, ...more]
    for (const thread of more) thread.start()
    this.options.holds()
    this.share()
  }

  add(job: ThreadJob): void {
    this.waiting.push(job)
    if (!this.closed) this.startEnded()
    this.share()
  }

  /** What the job had begun is ended with its thread, and that is waited for. */
  cancel(job: ThreadJob): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { line, thread } = job
      if (line === undefined) return Effect.void
      if (line === this.waiting) this.waiting.remove(job)
      else if (thread?.takeBack(job) === true) this.share()
      else {
        const gone = Deferred.makeUnsafe<void>()
        job.answer = () => Deferred.doneUnsafe(gone, Effect.void)
        this.killFor(job)
        return Deferred.await(gone)
      }
      return Effect.void
    })
  }

  close(): void {
    this.closed = true
    for (const thread of this.all) thread.kill()
  }

  private another(): Thread {
    const { context, scope } = this.options
    const replied = (thread: Thread) => this.replied(thread)
    const changed = (thread: Thread, cause: unknown) => this.changed(thread, cause)
    return new Thread({ context, scope, number: this.made++, replied, changed })
  }

  private retire(thread: Thread): void {
    thread.leaving = true
    if (thread.state === "ended") this.all = this.all.filter((one) => one !== thread)
    const untouched = [...thread.sent].filter((job) => thread.takeBack(job))
    for (const job of untouched) this.waiting.push(job)
    if (thread.sent.size === 0) thread.kill()
  }

  /** Only where no other job can have begun: where one has, the job has ended, and its reply is on its way. */
  private killFor(job: ThreadJob): void {
    const { thread } = job
    if (thread === undefined) return
    const others = [...thread.sent].filter((other) => other !== job && thread.takeBack(other))
    if (thread.sent.size === 1) thread.kill()
    for (const other of others) this.waiting.push(other)
    this.share()
  }

  private share(): void {
    for (let job = this.waiting.head; job !== undefined; job = this.waiting.head) {
      const thread = this.freest()
      if (thread === undefined) break
      this.waiting.remove(job)
      if (thread.sent.size === 0) thread.repliedAt = this.now()
      thread.give(job)
    }
    for (const thread of this.all) if (thread.sent.size === 0 && this.isFree(thread)) this.steal(thread)
  }

  private isFree(thread: Thread): boolean {
    return thread.state === "ready" && !thread.leaving && thread.sent.size < this.depth && thread.room &&
      thread.ran + thread.sent.size < this.options.recycleAfter
  }

  private freest(): Thread | undefined {
    let freest: Thread | undefined
    for (const thread of this.all) {
      if (this.isFree(thread) && (freest === undefined || thread.sent.size < freest.sent.size)) freest = thread
    }
    return freest
  }

  /** The thread has nothing to do: it gets one that waits behind another's. */
  private steal(thread: Thread): void {
    for (const other of this.all) {
      if (other.sent.size < 2) continue
      const first = other.sent.head?.behind
      if (first === undefined || !other.takeBack(first)) continue
      thread.repliedAt = this.now()
      return thread.give(first)
    }
  }

  private replied(thread: Thread): void {
    const now = this.now()
    const took = now - thread.repliedAt
    thread.repliedAt = now
    if (took < quick) this.deepen(Math.min(deepest, this.depth + 1))
    else if (took > slow) this.deepen(shallowest)
    const over = thread.leaving || thread.ran >= this.options.recycleAfter
    if (over && thread.sent.size === 0) thread.kill()
    else this.share()
  }

  private deepen(depth: number): void {
    if (depth === this.depth) return
    this.depth = depth
    this.options.holds()
  }

  private changed(thread: Thread, cause: unknown): void {
    if (thread.state === "ended") this.ended(thread, cause)
    if (this.all.every(({ state }) => state !== "starting")) {
      const { starters } = this
      this.starters = []
      for (const started of starters) started()
    }
    this.share()
  }

  /** What it had begun is lost; what it had not goes to others. One that has not even begun a job is tried again with the next. */
  private ended(thread: Thread, cause: unknown): void {
    const { leaving, ran } = thread
    // All are looked at before anybody is told: who is told may bring the next job at once, and with it the thread starts anew.
    const begun: Array<ThreadJob> = []
    thread.sent.drain((job) => thread.hasBegun(job) ? void begun.push(job) : this.waiting.push(job))
    if (leaving) this.all = this.all.filter((one) => one !== thread)
    for (const job of begun) job.answer([job.id, "crashed", cause])
    if (this.closed) return
    if (leaving) {
      if (this.waiting.size > 0) this.startEnded()
    } else if (ran + begun.length > 0) {
      this.restarted++
      this.startEnded()
    } else if (this.all.every(({ state }) => state === "ended")) {
      const all = [...this.waiting]
      this.waiting.drain(() => {})
      for (const job of all) job.answer([job.id, "notBegun", cause])
    }
  }

  private startEnded(): void {
    for (const thread of this.all) if (thread.state === "ended") thread.start()
  }
}
