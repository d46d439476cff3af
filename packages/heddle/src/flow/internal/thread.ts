import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Worker from "effect/workers/Worker"
import { Line, type Place } from "../../internal/Line.ts"
import { Soon } from "../../internal/Soon.ts"
import { type Call, type Order, type Reply, Slots, span } from "./threadMessages.ts"

/** How a job has ended: by a reply, or because the thread could not be sent it or has ended. */
export type Answer =
  | Reply
  | readonly [id: number, how: "unsendable", what: unknown]
  | readonly [id: number, how: "notBegun" | "crashed", what: unknown]

export class ThreadJob implements Place<ThreadJob> {
  before: ThreadJob | undefined = undefined
  behind: ThreadJob | undefined = undefined
  line: Line<ThreadJob> | undefined = undefined
  /** Where it was sent, and with which id. */
  thread: Thread | undefined = undefined
  id = 0
  readonly task: string
  readonly payload: unknown
  readonly transfers: ReadonlyArray<unknown>
  answer: (answer: Answer) => void
  constructor(
    task: string,
    payload: unknown,
    transfers: ReadonlyArray<unknown>,
    answer: (answer: Answer) => void
  ) {
    this.task = task
    this.payload = payload
    this.transfers = transfers
    this.answer = answer
  }
}

export interface ThreadHost {
  readonly context: Context.Context<Worker.WorkerPlatform | Worker.Spawner>
  readonly scope: Scope.Scope
  readonly number: number
  readonly replied: (thread: Thread) => void
  /** It is ready, or has ended. */
  readonly changed: (thread: Thread, cause: unknown) => void
}

/**
 * One thread and what it was sent, in its order. It is started anew by its host, with other slots.
 *
 * Invariant: a job in `sent` is answered, taken back, or given back to the host when the thread has ended.
 */
export class Thread {
  /** `ending`: it was told to, and is given nothing more. */
  state: "starting" | "ready" | "ending" | "ended" = "ended"
  /** It is one too many: it is given nothing more, and not started anew. */
  leaving = false
  readonly sent = new Line<ThreadJob>()
  /** How many jobs it has done since it was started. */
  ran = 0
  /** When its last job ended, in milliseconds. */
  repliedAt = 0
  private readonly host: ThreadHost
  private readonly soon: Soon
  private slots = new Slots()
  private raw: unknown
  private worker: Worker.Worker<Reply, Order> | undefined
  private outbox: Array<ThreadJob> = []
  private last = 0
  constructor(host: ThreadHost) {
    this.host = host
    this.soon = new Soon(Context.get(host.context, Scheduler.Scheduler), () => this.flush())
  }

  /** The next id must not fall into a slot that may still be looked at. */
  get room(): boolean {
    return this.sent.head === undefined || this.last - this.sent.head.id < span - 2
  }

  start(): void {
    const { context, scope } = this.host
    this.state = "starting"
    this.ran = 0
    this.raw = undefined
    this.slots = new Slots()
    const spawn = Context.get(context, Worker.Spawner)
    const kept = Context.add(context, Worker.Spawner, (id: number) => {
      this.raw = spawn(id)
      if (this.state === "ending") this.kill()
      return this.raw
    })
    const platform = Context.get(context, Worker.WorkerPlatform)
    const run = Effect.flatMap(platform.spawn<Reply, Order>(this.host.number), (worker) => {
      this.worker = worker
      const running = worker.run((reply) => {
        this.reply(reply)
        return Effect.void
      })
      return Effect.andThen(worker.send(this.slots.buffer), running)
    })
    const all = Effect.provideContext(run, kept)
    const ended = Effect.onExit(all, (exit) =>
      Effect.sync(() => {
        this.state = "ended"
        this.worker = undefined
        this.outbox = []
        this.host.changed(this, Exit.isFailure(exit) ? exit.cause : undefined)
      }))
    Effect.runForkWith(context)(Effect.forkIn(ended, scope))
  }

  /** Ends it at once, whatever it does; the platform alone would ask it, and wait. */
  kill(): void {
    const { raw } = this
    if (this.state === "ended") return
    this.state = "ending"
    if (!Predicate.isObject(raw)) return
    if ("terminate" in raw && Predicate.isFunction(raw.terminate)) raw.terminate()
    else if ("kill" in raw && Predicate.isFunction(raw.kill)) raw.kill("SIGKILL")
  }

  give(job: ThreadJob): void {
    job.thread = this
    job.id = ++this.last
    this.slots.set(job.id)
    this.sent.push(job)
    this.outbox.push(job)
    this.soon.ask()
  }

  /** Whether it has not begun the job and will not. */
  takeBack(job: ThreadJob): boolean {
    if (!this.slots.takeBack(job.id)) return false
    this.sent.remove(job)
    return true
  }

  hasBegun(job: ThreadJob): boolean {
    return this.slots.hasBegun(job.id)
  }

  /** It has its slots. Only now all goes to it directly: what the platform keeps until then ends the thread if it cannot be cloned. */
  private isUp(): void {
    if (this.state === "starting") this.state = "ready"
    this.host.changed(this, undefined)
  }

  private reply(reply: Reply): void {
    const [id] = reply
    if (id === 0) return this.isUp()
    for (let job = this.sent.head; job !== undefined; job = job.behind) {
      if (job.id !== id) continue
      this.sent.remove(job)
      this.ran++
      this.host.replied(this)
      return job.answer(reply)
    }
  }

  /** What cannot be cloned fails the message: then each job goes alone, and the one that cannot be sent is told. */
  private flush(): void {
    const jobs = this.outbox.filter((job) => job.thread === this && job.line === this.sent)
    this.outbox = []
    if (jobs.length === 0 || this.worker === undefined) return
    const send = (some: ReadonlyArray<ThreadJob>) => {
      const calls = some.map(({ id, payload, task }): Call => [id, task, payload])
      const transfers = some.flatMap(({ transfers }) => transfers)
      return Effect.runSyncExit(this.worker?.send(calls, transfers) ?? Effect.void)
    }
    if (Exit.isSuccess(send(jobs))) return
    for (const job of jobs) {
      const exit = send([job])
      if (Exit.isSuccess(exit) || !this.takeBack(job)) continue
      this.host.replied(this)
      job.answer([job.id, "unsendable", exit.cause])
    }
  }
}
