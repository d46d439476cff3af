import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { Tally } from "../../internal/Tally.ts"
import type { Claimed } from "../Job.ts"
import type { JobStore } from "../JobStore.ts"
import type { Rate } from "./workRate.ts"

/** What a worker of one queue does. Times are milliseconds. */
export interface Job<R> {
  readonly queue: string
  readonly store: JobStore["Service"]
  readonly concurrency: number
  readonly ttl: number
  readonly grace: number
  readonly rate: Rate
  readonly running: Tally<"running">
  readonly handle: (job: Claimed) => Effect.Effect<void, never, R>
}

/**
 * Claims jobs for as many free places as there are and works on each in a fiber of its own.
 *
 * The invariant: a claimed job has a fiber, or is handed back by its batch's scope.
 */
export class Worker<R> {
  stopping = false
  private readonly job: Job<R>
  private readonly context: Context.Context<R>
  private readonly fibers = new Set<Fiber.Fiber<void>>()
  private readonly room = Latch.makeUnsafe(true)
  private readonly idle = Latch.makeUnsafe(true)
  constructor(job: Job<R>, context: Context.Context<R>) {
    this.job = job
    this.context = context
  }

  /** Claims and starts, until it is interrupted. */
  readonly run: Effect.Effect<void> = Effect.uninterruptible(Effect.suspend(() => this.claiming(first)))

  /** Waits for what runs, for as long as it is given time, then interrupts it. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.stopping = true
    const inTime = Effect.timeoutOption(Effect.interruptible(this.idle.await), this.job.grace)
    return Effect.andThen(inTime, Effect.suspend(() => Fiber.interruptAll([...this.fibers])))
  })

  private claiming(pause: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      for (let wait = pause;;) {
        yield* Effect.interruptible(this.room.await)
        const { concurrency, queue, rate, store, ttl } = this.job
        const allowed = yield* Effect.interruptible(rate.allowed)
        const scope = Scope.makeUnsafe()
        const max = Math.min(concurrency - this.fibers.size, allowed, most)
        const claimed = yield* Effect.exit(Scope.provide(store.claim(queue, { max, ttl, waitFor: Infinity }), scope))
        if (Exit.isSuccess(claimed)) {
          rate.taken(claimed.value.length)
          this.start(claimed.value, scope)
          wait = first
        } else if (Exit.hasInterrupts(claimed)) {
          return
        } else {
          yield* Effect.logWarning(`WorkQueue ${queue} cannot claim; it tries again`, claimed.cause)
          yield* Effect.interruptible(Effect.sleep(wait))
          wait = Math.min(wait * 2, last)
        }
      }
    })
  }

  private start(jobs: ReadonlyArray<Claimed>, scope: Scope.Closeable): void {
    let left = jobs.length
    const { concurrency, handle, running } = this.job
    for (const job of jobs) {
      const fiber = Effect.runForkWith(this.context)(handle(job))
      this.fibers.add(fiber)
      this.idle.closeUnsafe()
      running.running++
      fiber.addObserver(() => {
        this.fibers.delete(fiber)
        running.running--
        if (--left === 0) Effect.runForkWith(this.context)(Scope.close(scope, Exit.void))
        if (this.fibers.size < concurrency) this.room.openUnsafe()
        if (this.fibers.size === 0) this.idle.openUnsafe()
      })
    }
    if (this.fibers.size >= concurrency) this.room.closeUnsafe()
  }
}

const most = 1000
const first = 50
const last = 5000
