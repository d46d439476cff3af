import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { Line } from "../../internal/Line.ts"
import type { Counts } from "./flowMetrics.ts"
import { Intake, Job, type Outcome } from "./pipelineIntake.ts"
import type { Inlet } from "./pipelineOutlet.ts"
import { Waiters } from "./Waiters.ts"

interface On<B> {
  readonly _tag: "on"
  readonly value: B
}

/** Tells somebody of a failed item, and answers what was wrong with that. */
export type Tell<E, R> = Effect.Effect<Cause.Cause<E> | undefined, never, R>

export interface Gone<E, R> {
  readonly _tag: "gone"
  readonly tell: Tell<E, R> | undefined
}

export interface Stop<E> {
  readonly _tag: "stop"
  readonly cause: Cause.Cause<E>
}

/** A stage as it was asked for. `A` comes in and `B` goes out; `F` is what an item fails with, `E` what the pipeline does. */
export interface Spec<A, B, F, E, R> {
  readonly name: string
  readonly concurrency: number
  readonly capacity: number
  readonly order: "input" | "none" | ((item: A) => unknown)
  readonly run: (item: A) => Effect.Effect<B, F, R>
  readonly failed: (item: A, cause: Cause.Cause<F>) => Gone<E, R> | Stop<E>
}

export type Count = "depth" | "active" | "completed" | "failed" | "dropped"

/** What the pipeline around a stage does for it. */
export interface Surroundings {
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
  readonly counts: Counts<Count>
  readonly took: ((seconds: number) => void) | undefined
  /** Ends everything before a stage at once. */
  readonly haltBefore: (stage: object) => void
}

/** One stage that runs: in = out + failed + dropped + inside, after each step. Everything but waiting is done in single steps. */
export class Stage<A, B, F, E, R> implements Inlet<A, E> {
  readonly spec: Spec<A, B, F, E, R>
  private readonly next: Inlet<B, E>
  private readonly around: Surroundings
  private readonly intake: Intake<A, B, E>
  /** Those that are out, in the order in which they are to go on. Only where that is the order of input. */
  private readonly pending: Line<Job<A, B, E>> | undefined
  private readonly arrivals = new Waiters()
  private readonly producers = new Waiters()
  private readonly fibers: Array<Fiber.Fiber<void>> = []
  private state: "open" | "ending" | "over" = "open"
  private cause: Cause.Cause<E> | undefined
  /** An item has failed that stops the pipeline once those before it are done: nothing new is begun. */
  private halted = false
  /** Failed items of which somebody is being told. */
  private telling = 0
  readonly counted = { in: 0, out: 0, failed: 0, dropped: 0, running: 0, measured: 0, millis: 0, slowest: 0 }

  constructor(spec: Spec<A, B, F, E, R>, next: Inlet<B, E>, around: Surroundings) {
    this.spec = spec
    this.next = next
    this.around = around
    this.intake = new Intake(typeof spec.order === "function")
    this.pending = spec.order === "input" && spec.concurrency > 1 ? new Line() : undefined
  }

  get waiting(): number {
    return this.intake.size
  }

  /** What stands in its room: what waits before it, and after the last stage what waits for the consumer. */
  private get held(): number {
    return this.intake.size + this.next.lent
  }

  get full(): boolean {
    return this.held >= this.spec.capacity
  }

  get over(): boolean {
    return this.held > this.spec.capacity
  }

  readonly lent = 0

  /** Who waits is woken for half a buffer and not for each item: it is a turn of a fiber. */
  private get roomy(): boolean {
    return this.held <= Math.floor(this.spec.capacity / 2)
  }

  /** Something has left its room. */
  readonly eased = (): void => {
    if (this.roomy) this.producers.wakeAll()
  }

  readonly room: Effect.Effect<void> = Effect.suspend(() => this.producers.until(() => this.roomy))

  push(item: A): void {
    if (this.state !== "open" || this.halted) return
    this.counted.in++
    this.around.counts.depth++
    this.intake.push(jobOf(item, this.spec.order))
    this.arrivals.wakeOne()
  }

  end(cause: Cause.Cause<E> | undefined): void {
    if (this.state !== "open") return
    this.state = "ending"
    this.cause = cause
    this.endIfDone()
  }

  /** A worker that ends before its stage was interrupted by somebody else: the pipeline cannot go on. */
  watch(worker: Fiber.Fiber<void>): void {
    this.fibers.push(worker)
    worker.addObserver((exit) => {
      if (Exit.isFailure(exit)) this.stop(exit.cause)
    })
  }

  /** Ends it at once. What is inside is dropped. A worker of a stage that is over may still wait for room in the next. */
  close(): void {
    if (this.state !== "over") {
      this.drop(this.counted.running)
      this.around.counts.active -= this.counted.running
      this.counted.running = 0
      this.dropWaiting()
      this.finish()
    }
    for (const fiber of this.fibers) fiber.interruptUnsafe()
  }

  /** What each of its fibers does. */
  readonly worker: Effect.Effect<void, never, R> = Effect.suspend(() =>
    Effect.whileLoop({ while: () => this.state !== "over", body: () => this.work(), step: () => {} })
  )

  /** One item, or a wait for one. */
  private work(): Effect.Effect<void, never, R> {
    const job = this.take()
    if (job === undefined) {
      return this.arrivals.until(() => this.state === "over" || (!this.halted && !this.intake.idle))
    }
    const began = this.around.now()
    return Effect.flatMap(Effect.exit(this.attempt(job)), (exit) => {
      this.measure(this.around.now() - began)
      const tell = this.settle(job, exit)
      if (tell === undefined) return this.leave(job)
      return Effect.flatMap(tell, (wrong) => {
        this.told(job, wrong)
        return this.leave(job)
      })
    })
  }

  /** The worker goes on when its item has, in its turn, and there is room behind it. */
  private leave(job: Job<A, B, E>): Effect.Effect<void> {
    if (job.line === undefined || job.line !== this.pending) return this.next.over ? this.next.room : Effect.void
    const turn = job.turn = new Waiters()
    return Effect.andThen(turn.until(() => job.line === undefined), Effect.suspend(() => this.leave(job)))
  }

  private take(): Job<A, B, E> | undefined {
    if (this.halted) return undefined
    const job = this.intake.next()
    if (job === undefined) return undefined
    this.counted.running++
    this.around.counts.depth--
    this.around.counts.active++
    this.pending?.push(job)
    this.eased()
    return job
  }

  private attempt({ broken, item }: Job<A, B, E>): Effect.Effect<B, F, R> {
    return broken === undefined ? Effect.suspend(() => this.spec.run(item)) : Effect.failCause(broken)
  }

  private measure(millis: number): void {
    this.counted.measured++
    this.counted.millis += millis
    this.counted.slowest = Math.max(this.counted.slowest, millis)
    this.around.took?.(millis / 1000)
  }

  /**
   * What an item came to. Answers what is to be told of it before its worker goes on. No worker comes here after its stage is over: it was
   * interrupted.
   */
  private settle(job: Job<A, B, E>, exit: Exit.Exit<B, F>): Tell<E, R> | undefined {
    const handled: On<B> | Gone<E, R> | Stop<E> = Exit.isSuccess(exit)
      ? { _tag: "on", value: exit.value }
      : this.spec.failed(job.item, exit.cause)
    if (handled._tag === "gone") this.fail()
    const tell = handled._tag === "gone" ? handled.tell : undefined
    if (tell !== undefined) this.telling++
    if (handled._tag === "stop" && this.pending !== undefined) this.halt()
    if (this.pending === undefined) this.pass(handled)
    else this.passInOrder(job, handled)
    if (tell === undefined) this.release(job)
    return tell
  }

  private told(job: Job<A, B, E>, wrong: Cause.Cause<E> | undefined): void {
    this.telling--
    if (wrong !== undefined) return this.stop(wrong)
    this.release(job)
    this.endIfDone()
  }

  private passInOrder(job: Job<A, B, E>, outcome: Outcome<B, E>): void {
    job.outcome = outcome
    for (let first = this.pending?.head; first?.outcome !== undefined; first = this.pending?.head) {
      this.pending?.remove(first)
      first.turn?.wakeAll()
      this.pass(first.outcome)
    }
  }

  private pass(outcome: Outcome<B, E>): void {
    if (this.state === "over") return
    if (outcome._tag === "stop") {
      this.fail()
      return this.stop(outcome.cause)
    }
    if (outcome._tag === "on") {
      this.counted.out++
      this.counted.running--
      this.around.counts.active--
      this.around.counts.completed++
      this.next.push(outcome.value)
    }
    this.endIfDone()
  }

  private fail(): void {
    this.counted.failed++
    this.counted.running--
    this.around.counts.active--
    this.around.counts.failed++
  }

  private release(job: Job<A, B, E>): void {
    if (this.intake.release(job)) this.arrivals.wakeOne()
  }

  private halt(): void {
    if (this.halted) return
    this.halted = true
    this.around.haltBefore(this)
    this.dropWaiting()
  }

  private stop(cause: Cause.Cause<E>): void {
    if (this.state === "over") return
    this.around.haltBefore(this)
    this.close()
    this.next.end(cause)
  }

  private drop(count: number): void {
    this.counted.dropped += count
    this.around.counts.dropped += count
  }

  private dropWaiting(): void {
    this.drop(this.intake.size)
    this.around.counts.depth -= this.intake.size
    this.intake.clear()
  }

  private endIfDone(): void {
    if (this.state !== "ending" || this.intake.size + this.counted.running + this.telling > 0) return
    this.finish()
    this.next.end(this.cause)
  }

  private finish(): void {
    this.state = "over"
    this.arrivals.wakeAll()
  }
}

/** A key that cannot be told is that item's failure, and no other's. */
const jobOf = <A, B, E>(item: A, order: "input" | "none" | ((item: A) => unknown)): Job<A, B, E> => {
  if (typeof order === "string") return new Job<A, B, E>(item, undefined, undefined)
  try {
    return new Job<A, B, E>(item, order(item), undefined)
  } catch (defect) {
    return new Job<A, B, E>(item, Symbol("no key"), Cause.die(defect))
  }
}
