import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Deadline from "../../resilience/Deadline.ts"
import type { Claimed, End } from "../Job.ts"
import type { JobStore } from "../JobStore.ts"
import { type Attempt, dead } from "./workHandle.ts"
import type { WorkTally } from "./workMetrics.ts"

/** What is told to which store, and for how long. Times are milliseconds. */
export interface Telling<E> {
  readonly store: JobStore["Service"]
  readonly ttl: number
  readonly now: () => number
  readonly tally: WorkTally
  /** How a job ends whose handler has failed. */
  readonly failed: (job: Claimed, cause: Cause.Cause<E | Deadline.DeadlineExceeded>) => Effect.Effect<End>
}

interface Ending<E> {
  readonly attempt: Attempt<E>
  readonly job: Claimed
  readonly end: End
}

/**
 * Tells the store how jobs have ended, those of one moment in one request, and again until it has heard it or their claims are over.
 */
export class Settler<E> {
  /** Whether the worker is shutting down: who is interrupted then has not failed. */
  stopping = false
  /** Jobs that have ended, and of which the store is still told. */
  untold = 0
  private ended: Array<Attempt<E>> = []
  private scheduled = false
  private readonly tellers = new Set<Fiber.Fiber<void>>()
  private readonly telling: Telling<E>
  private readonly context: Context.Context<never>
  constructor(telling: Telling<E>, context: Context.Context<never>) {
    this.telling = telling
    this.context = context
  }

  /** Tells of it soon. */
  add(attempt: Attempt<E>): void {
    this.untold++
    this.ended.push(attempt)
    if (this.scheduled) return
    this.scheduled = true
    Effect.runForkWith(this.context)(Effect.andThen(Effect.yieldNow, Effect.sync(this.flush)))
  }

  /** Tells of all that have ended now. */
  readonly flush = (): void => {
    this.scheduled = false
    if (this.ended.length === 0) return
    const all = this.ended
    this.ended = []
    const fiber = Effect.runForkWith(this.context)(this.tellAll(all), { uninterruptible: true })
    this.tellers.add(fiber)
    fiber.addObserver(() => this.tellers.delete(fiber))
  }

  /** Waits for what is on its way, and tells nothing again. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.flush()
    return Fiber.interruptAll([...this.tellers])
  })

  private tellAll(all: ReadonlyArray<Attempt<E>>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const until = this.telling.now() + this.telling.ttl
      const endings: Array<Ending<E>> = []
      const failed: Array<Attempt<E>> = []
      for (const attempt of all) {
        const end = this.endOf(attempt)
        if (end === undefined) failed.push(attempt)
        else endings.push({ attempt, job: attempt.job, end })
      }
      if (failed.length === 0) return this.tell(endings, until, first)
      const more = Effect.forEach(failed, (attempt) => this.failureOf(attempt))
      return Effect.flatMap(more, (more) => this.tell([...endings, ...more], until, first))
    })
  }

  /** How a job ends; undefined where it has failed. */
  private endOf({ end, exit }: Attempt<E>): End | undefined {
    if (end !== undefined) return end
    if (exit === undefined || Exit.isSuccess(exit)) return handedBack
    return Cause.hasInterruptsOnly(exit.cause) && this.stopping ? handedBack : undefined
  }

  private failureOf(attempt: Attempt<E>): Effect.Effect<Ending<E>> {
    const { exit, job } = attempt
    const end = exit === undefined || Exit.isSuccess(exit)
      ? Effect.succeed(handedBack)
      : this.telling.failed(job, exit.cause)
    return Effect.map(end, (end) => ({ attempt, job, end }))
  }

  private tell(endings: ReadonlyArray<Ending<E>>, until: number, pause: number): Effect.Effect<void> {
    return Effect.flatMap(this.telling.store.settleAll(endings), (all) => {
      const again: Array<Ending<E>> = []
      let unheard = 0
      endings.forEach((ending, at) => {
        const { attempt, job } = ending
        const settled = all[at]
        if (typeof settled === "string") return this.over(attempt, settled)
        switch (settled?._tag) {
          case "InvalidJob":
            again.push({ attempt, job, end: dead(`what became of it was refused: ${settled.message}`) })
            return
          case "StoreUnavailable":
            unheard++
            again.push(ending)
            return
          default:
            // What was committed is over already; what was rolled back is told once more.
            this.over(attempt, attempt.completed && ending.end._tag === "Completed" ? "Completed" : "lost")
        }
      })
      if (again.length === 0) return Effect.void
      if (unheard === 0) return this.tell(again, until, pause)
      const giveUp = Effect.sync(() => again.forEach(({ attempt }) => this.over(attempt, "lost")))
      if (this.telling.now() >= until) return giveUp
      const sleeping = Effect.flatMap(Random.next, (random) => Effect.sleep(pause * (0.8 + 0.4 * random)))
      return Effect.andThen(
        Effect.onInterrupt(Effect.interruptible(sleeping), () => giveUp),
        this.tell(again, until, Math.min(pause * 2, last))
      )
    })
  }

  private over(attempt: Attempt<E>, outcome: keyof WorkTally): void {
    this.telling.tally[outcome]++
    this.untold--
    attempt.over()
  }
}

const handedBack: End = { _tag: "HandedBack" }
const first = 50
const last = 2000
