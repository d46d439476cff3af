/**
 * The meaning of a queue of jobs, as a state machine that is told the time.
 *
 * The memory layer runs it behind a thin shell. A backend's tests run it beside the backend and compare, step by step: where the two
 * disagree, the backend is wrong.
 *
 *               enqueue             claim               Completed, cancel
 *     (nothing) ───────▶ waiting ──────────▶ claimed ───────────────────▶ ended, known for `keep`
 *                         │  ▲                │ │ │
 *              delay over │  │ HandedBack,    │ │ │ Dead, or out of attempts (Retry, expiry)
 *                         │  │ expiry         │ │ ▼
 *                        delayed ◀────────────┘ │ dead ──▶ waiting (redrive)
 *                                   Retry       ▼
 *
 * The invariants: a job has at most one claim that is not over, and each claim a token above all earlier ones; of the unfinished jobs
 * of a key, only the oldest can be claimed.
 *
 * @since 0.1.0
 */
import { type BookedJob, JobBook, type JobRecord } from "./internal/jobBook.ts"
import type { DeadLetter, Failure, Headers, JobEvent, JobInfo, Outcome, Stats } from "./Job.ts"
import type { Entry, Settled, Settlement } from "./JobBackend.ts"

/**
 * A job as it was claimed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Granted {
  readonly id: string
  readonly token: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly key: string | undefined
  readonly payload: Uint8Array
  readonly headers: Headers
  readonly age: number
}

export type { JobRecord } from "./internal/jobBook.ts"

/**
 * All that a machine knows at an instant: one that is built of it goes on as this one does.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly now: number
  readonly paused: boolean
  readonly tokens: number
  readonly jobs: ReadonlyArray<JobRecord>
  /** The ids of the dead letters, oldest first. */
  readonly dead: ReadonlyArray<string>
}

/**
 * What is told to those who follow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Told {
  readonly id: string
  readonly event: JobEvent
}

/**
 * One queue. Times are milliseconds of the store's clock. `told` gathers what happened for those who follow, until it is cleared.
 *
 * @category models
 * @since 0.1.0
 */
export class JobMachine {
  private readonly book = new JobBook()
  paused = false
  readonly told: Array<Told> = []
  /** The last token that was given out. */
  tokens: number
  /** All tokens are above `tokens`. */
  constructor(tokens = 0) {
    this.tokens = tokens
  }

  /** A machine that goes on where another was. */
  static of({ dead, jobs, now, paused, tokens }: State): JobMachine {
    const machine = new JobMachine(tokens)
    machine.paused = paused
    machine.book.restore(now, jobs, dead)
    return machine
  }

  /** What `of` builds a machine of. */
  state(now: number): State {
    this.advance(now)
    return {
      now,
      paused: this.paused,
      tokens: this.tokens,
      jobs: Array.from(this.book.jobs.values(), (job): JobRecord => ({ ...job })),
      dead: Array.from(this.book.dead, ({ id }) => id)
    }
  }

  /** Adds the jobs whose ids are not known: for each, whether it was added. */
  enqueue(now: number, entries: ReadonlyArray<Entry>): ReadonlyArray<boolean> {
    this.advance(now)
    return entries.map((entry) => {
      if (this.book.jobs.has(entry.id)) return false
      this.book.add(now, entry)
      return true
    })
  }

  claim(now: number, max: number, ttl: number, owner: string): ReadonlyArray<Granted> {
    this.advance(now)
    const granted: Array<Granted> = []
    while (granted.length < max && !this.paused) {
      const job = this.book.firstClaimable
      if (job === undefined) break
      job.state = "claimed"
      job.token = ++this.tokens
      job.attempts++
      job.owner = owner
      job.progress = undefined
      this.book.dueAt(job, now + ttl)
      const { attempts, headers, id, key, maxAttempts, payload, token } = job
      granted.push({ id, token, attempt: attempts, maxAttempts, key, payload, headers, age: now - job.enqueued })
    }
    return granted
  }

  /** Whether the claim still was there to be extended. */
  extend(now: number, id: string, token: number, ttl: number): boolean {
    const job = this.held(now, id, token)
    if (job === undefined) return false
    this.book.dueAt(job, now + ttl)
    return true
  }

  settle(now: number, id: string, token: number, settlement: Settlement): Settled {
    const job = this.held(now, id, token)
    if (job === undefined) return "Lost"
    switch (settlement._tag) {
      case "Completed":
        this.end(now, job, settlement)
        return "Completed"
      case "Dead":
        this.die(now, job, settlement.failure)
        return "Dead"
      case "Retry":
        if (job.attempts >= job.maxAttempts) {
          this.die(now, job, settlement.failure)
          return "Dead"
        }
        job.ready = now + settlement.delay
        this.book.wait(now, job)
        return "Retried"
      case "HandedBack":
        job.attempts--
        this.book.wait(now, job)
        return "HandedBack"
    }
  }

  /** The first `limit` dead letters. */
  deadLetters(now: number, limit: number): ReadonlyArray<DeadLetter> {
    this.advance(now)
    const letters: Array<DeadLetter> = []
    for (const { attempts, failure = { cause: "" }, headers, id, key, payload } of this.book.dead) {
      if (letters.length === limit) break
      letters.push({ id, key, payload, headers, attempts, failure })
    }
    return letters
  }

  redrive(now: number, ids: ReadonlyArray<string> | undefined): number {
    this.advance(now)
    const chosen = ids === undefined ? undefined : new Set(ids)
    const letters = [...this.book.dead].filter(({ id }) => chosen?.has(id) ?? true)
    for (const job of letters) {
      this.book.dead.delete(job)
      job.state = "waiting"
      job.attempts = 0
      job.failure = undefined
      job.ready = now
      this.book.join(now, job)
    }
    return letters.length
  }

  purge(now: number, what: "waiting" | "dead"): number {
    this.advance(now)
    const gone = [...this.book.jobs.values()].filter(({ state }) => state === what)
    for (const job of gone) {
      if (what === "waiting") this.tell(job, { _tag: "Unknown" })
      this.book.forget(job)
    }
    // From the last to the first of a key: nobody who goes too takes the place of one who has gone.
    for (const job of gone.toSorted((one, other) => other.seq - one.seq)) this.book.leave(now, job)
    return gone.length
  }

  /** The token of the claim that is over now, 0 where the job waited; undefined where there is none to cancel. */
  cancel(now: number, id: string): number | undefined {
    this.advance(now)
    const job = this.book.jobs.get(id)
    if (job?.state !== "waiting" && job?.state !== "claimed") return undefined
    const token = job.state === "claimed" ? job.token : 0
    this.end(now, job, { _tag: "Cancelled" })
    return token
  }

  report(now: number, id: string, token: number, value: Uint8Array): boolean {
    const job = this.held(now, id, token)
    if (job === undefined) return false
    job.progress = value
    this.told.push({ id, event: { _tag: "Progress", value } })
    return true
  }

  /** What was reported last, and how the job ended if it has. */
  outcome(
    now: number,
    id: string
  ): { readonly progress: Uint8Array | undefined; readonly outcome: Outcome | undefined } {
    this.advance(now)
    const job = this.book.jobs.get(id)
    if (job === undefined) return { progress: undefined, outcome: { _tag: "Unknown" } }
    if (job.failure !== undefined) return { progress: undefined, outcome: { _tag: "Dead", failure: job.failure } }
    return { progress: job.progress, outcome: job.outcome }
  }

  inspect(now: number, id: string): JobInfo | undefined {
    this.advance(now)
    const job = this.book.jobs.get(id)
    if (job === undefined) return undefined
    const { attempts, key, owner, state } = job
    return {
      id,
      state: state === "waiting" && job.ready > now ? "delayed" : state,
      attempts,
      key,
      owner: state === "claimed" ? owner : undefined
    }
  }

  stats(now: number): Stats {
    this.advance(now)
    const counts = { waiting: 0, delayed: 0, claimed: 0, dead: 0, ended: 0 }
    for (const { ready, state } of this.book.jobs.values()) {
      counts[state === "waiting" && ready > now ? "delayed" : state]++
    }
    const { claimed, dead, delayed, waiting } = counts
    return { waiting, delayed, claimed, dead, paused: this.paused }
  }

  /** When something happens by itself next. */
  get next(): number {
    return this.book.next
  }

  /** Whether a claim would get something. */
  get hasClaimable(): boolean {
    return !this.paused && this.book.firstClaimable !== undefined
  }

  /** Whether the queue has nothing to remember. */
  get isEmpty(): boolean {
    return this.book.jobs.size === 0 && !this.paused
  }

  /** Lets happen what is due. */
  advance(now: number): void {
    for (let job = this.book.takeDue(now); job !== undefined; job = this.book.takeDue(now)) {
      if (job.state === "ended") this.book.forget(job)
      else if (job.state === "waiting" || job.attempts < job.maxAttempts) this.book.wait(now, job)
      else this.die(now, job, { cause: `its claim expired, and it has had all of its ${job.attempts} attempts` })
    }
  }

  private held(now: number, id: string, token: number): BookedJob | undefined {
    this.advance(now)
    const job = this.book.jobs.get(id)
    return job?.state === "claimed" && job.token === token ? job : undefined
  }

  private die(now: number, job: BookedJob, failure: Failure): void {
    job.state = "dead"
    job.failure = failure
    job.stamp++
    this.book.dead.add(job)
    this.tell(job, { _tag: "Dead", failure })
    this.book.leave(now, job)
  }

  private end(now: number, job: BookedJob, outcome: Outcome): void {
    job.state = "ended"
    job.outcome = outcome
    this.tell(job, outcome)
    if (job.keep > 0) this.book.dueAt(job, now + job.keep)
    else this.book.forget(job)
    this.book.leave(now, job)
  }

  private tell({ id }: BookedJob, outcome: Outcome): void {
    this.told.push({ id, event: { _tag: "Ended", outcome } })
  }
}
