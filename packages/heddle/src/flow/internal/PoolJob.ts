import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Line, Place } from "../../internal/Line.ts"
import type { Priority } from "../WorkerPool.ts"
import type { Refusal } from "./poolErrors.ts"

/** How an accepted task ended, each counted once. */
export type Outcome = "completed" | "failed" | "interrupted" | "timedOut" | "dropped" | "cut" | "notRun"

/** At the `door` it waits for room, in the `queue` for a worker. */
export type Where = "door" | "queue" | "running" | "gone"

/** A task as its pool sees it: it stands in a line, or runs, or has ended. */
export interface Entry extends Place<Entry> {
  readonly priority: Priority
  /** When it came, when it was started: milliseconds of the monotonic clock. */
  readonly cameAt: number
  startedAt: number
  where: Where
  /** Ends a wait for room, if that is bounded. */
  patience: Fiber.Fiber<void> | undefined
  /** Runs it, and tells when it has ended. */
  start(ended: (entry: Entry) => void): void
  /** How it ended. */
  readonly outcome: Outcome
  /** Answers with what it came to. */
  tell(): void
  /** Answers in place of a result. */
  refuse(error: Refusal): void
  /** Interrupts it while it runs; the answer does not wait for its finalizers. */
  stop(outcome: "timedOut" | "cut", error: Refusal): void
}

/** What a job asks of its pool. */
export interface Host {
  /** Calls back at once, or soon where calls are nested. */
  readonly deliver: (call: () => void) => void
  /** Nobody is there to be told of it. */
  readonly report: (cause: Cause.Cause<unknown>) => void
}

export class PoolJob<A, E, R> implements Entry {
  before: Entry | undefined = undefined
  behind: Entry | undefined = undefined
  line: Line<Entry> | undefined = undefined
  startedAt = 0
  where: Where = "gone"
  patience: Fiber.Fiber<void> | undefined = undefined
  /** Ends it at its deadline, if it has one. */
  timer: Fiber.Fiber<void> | undefined = undefined
  readonly cameAt: number
  readonly priority: Priority
  private readonly host: Host
  private readonly task: Effect.Effect<A, E, R>
  private readonly context: Context.Context<R>
  private resume: ((answer: Exit.Exit<A, E | Refusal>) => void) | undefined
  private fiber: Fiber.Fiber<A, E> | undefined = undefined
  private exit: Exit.Exit<A, E> | undefined = undefined
  private stopped: "timedOut" | "cut" | undefined = undefined
  constructor(options: {
    readonly host: Host
    readonly cameAt: number
    readonly priority: Priority
    readonly task: Effect.Effect<A, E, R>
    readonly context: Context.Context<R>
    readonly resume: (answer: Exit.Exit<A, E | Refusal>) => void
  }) {
    this.host = options.host
    this.cameAt = options.cameAt
    this.priority = options.priority
    this.task = options.task
    this.context = options.context
    this.resume = options.resume
  }

  get answered(): boolean {
    return this.resume === undefined
  }

  get outcome(): Outcome {
    const { exit, stopped } = this
    if (stopped !== undefined) return stopped
    if (exit === undefined || Exit.isSuccess(exit)) return "completed"
    return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"
  }

  start(ended: (entry: Entry) => void): void {
    const fiber = Effect.runForkWith(this.context)(this.task)
    this.fiber = fiber
    // A task may have shut down its own pool in its first step.
    if (this.stopped !== undefined) fiber.interruptUnsafe()
    fiber.addObserver((exit) => {
      this.exit = exit
      ended(this)
    })
  }

  tell(): void {
    const { exit } = this
    if (exit === undefined) return
    if (!this.answered) this.answer(exit)
    else if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) this.host.report(exit.cause)
  }

  refuse(error: Refusal): void {
    this.answer(Exit.fail(error))
  }

  stop(outcome: "timedOut" | "cut", error: Refusal): void {
    const { resume } = this
    // Taken first: it may end within the interruption, and what it then comes to is not the answer.
    this.resume = undefined
    this.stopped ??= outcome
    this.forget()
    this.fiber?.interruptUnsafe()
    if (resume !== undefined) this.host.deliver(() => resume(Exit.fail(error)))
  }

  /** The one who submitted it is interrupted while it runs: it is too, and its finalizers' failures are theirs. */
  get interrupt(): Effect.Effect<void> {
    const { fiber } = this
    if (fiber === undefined) return Effect.void
    fiber.interruptUnsafe()
    return Effect.flatMap(
      Fiber.await(fiber),
      (exit) => Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? Effect.void : Effect.orDie(exit)
    )
  }

  /** Nobody waits for it any more. */
  forget(): void {
    this.timer?.interruptUnsafe()
    this.patience?.interruptUnsafe()
  }

  private answer(answer: Exit.Exit<A, E | Refusal>): void {
    const { resume } = this
    this.resume = undefined
    this.forget()
    if (resume !== undefined) this.host.deliver(() => resume(answer))
  }
}
