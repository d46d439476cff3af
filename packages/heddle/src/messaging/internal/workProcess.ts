import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import type { Tally } from "../../internal/Tally.ts"
import type * as Deadline from "../../resilience/Deadline.ts"
import type { Claimed, End, JobError } from "../Job.ts"
import type { JobStore } from "../JobStore.ts"
import type { Attempt } from "./workHandle.ts"
import { Places } from "./workPlaces.ts"
import type { Rate } from "./workRate.ts"
import type { Settler } from "./workSettle.ts"

/** What a worker of one queue does. Times are milliseconds. */
export interface Job<E, R> {
  readonly queue: string
  readonly store: JobStore["Service"]
  readonly concurrency: number
  readonly prefetch: number
  readonly ttl: number
  readonly grace: number
  readonly rate: Rate | undefined
  readonly now: () => number
  readonly running: Tally<"running">
  readonly settler: Settler<E>
  readonly handle: (attempt: Attempt<E>) => Effect.Effect<End, E | Deadline.DeadlineExceeded, R>
  /** Told of each claim that was over before its handler was. */
  readonly onLost: () => void
}

/**
 * Claims as many jobs as there are free places and `prefetch` more, and works on each in a fiber of its own. The place of a job is
 * free when its handler has ended: what is claimed for it travels with the news of that end.
 *
 * A claim is for half of them at most, so that while one half is worked on, the ends of the other are told and its next jobs
 * are on their way. While more than that wait for a place none is sent, so that a claim is for many.
 *
 * The invariants: no more handlers have begun and not ended than there are places; no more than `prefetch` other jobs are claimed,
 * and of no more than as many as both is the store still told; a claimed job has a fiber, or is told of, or is handed back by its batch's scope.
 */
export class Worker<E, R> {
  private readonly job: Job<E, R>
  private readonly context: Context.Context<R>
  /** Claimed jobs whose handlers have not ended; those that are suspended have fibers here. */
  private working = 0
  private readonly places: Places
  /** Jobs that may be claimed. */
  private readonly all: number
  private readonly half: number
  private readonly fibers = new Set<Fiber.Fiber<End, E | Deadline.DeadlineExceeded>>()
  /** Places that claims are on their way for. */
  private reserved = 0
  private readonly room = Latch.makeUnsafe(true)
  private readonly idle = Latch.makeUnsafe(true)
  /** Open while the last claim has got all that it asked for. */
  private readonly plenty = Latch.makeUnsafe(false)
  constructor(job: Job<E, R>, context: Context.Context<R>) {
    this.job = job
    this.context = context
    this.places = new Places(job.concurrency)
    this.all = job.concurrency + job.prefetch
    this.half = Math.ceil(this.all / 2)
  }

  /** Claims and starts, until it is interrupted. */
  readonly run: Effect.Effect<void> = Effect.uninterruptible(Effect.suspend(() => this.claiming()))

  /** Claims and starts beside `run` while there is plenty, until it is interrupted. */
  readonly runBeside: Effect.Effect<void> = Effect.uninterruptible(Effect.suspend(() => this.claimingBeside()))

  /** Hands back what has not begun, waits for what runs and is told, for as long as it is given time, then interrupts it. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    const { grace, settler } = this.job
    settler.stopping = true
    this.places.turnAway()
    const inTime = Effect.timeoutOption(Effect.interruptible(this.idle.await), grace)
    const stopped = Effect.suspend(() => Fiber.interruptAll([...this.fibers]))
    return Effect.andThen(inTime, Effect.andThen(stopped, settler.end))
  })

  private get free(): number {
    const { all, job: { settler: { untold } } } = this
    return Math.min(all, 2 * all - untold) - this.working - this.reserved
  }

  private get mayClaim(): boolean {
    return this.free > 0 && this.places.ahead + this.reserved <= this.half
  }

  private claiming(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { queue, rate } = this.job
      for (let wait = first;;) {
        yield* Effect.interruptible(this.hasRoom)
        const allowed = rate === undefined ? Infinity : yield* Effect.interruptible(rate.allowed)
        const claimed = yield* this.claim(allowed, Infinity)
        if (Exit.isSuccess(claimed)) {
          rate?.taken(claimed.value)
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

  private claimingBeside(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      for (;;) {
        yield* Effect.interruptible(Effect.andThen(this.plenty.await, this.hasRoom))
        const claimed = yield* this.claim(Infinity, 0)
        if (Exit.isFailure(claimed) && Exit.hasInterrupts(claimed)) return
      }
    })
  }

  private readonly hasRoom: Effect.Effect<void> = Effect.suspend(() => {
    if (this.mayClaim) return Effect.void
    this.room.closeUnsafe()
    return Effect.andThen(this.room.await, this.hasRoom)
  })

  /** Claims and starts as many as may be; answers how many. The other loop may have taken the room meanwhile. */
  private claim(allowed: number, waitFor: number): Effect.Effect<Exit.Exit<number, JobError>> {
    return Effect.suspend(() => {
      const { queue, settler, store, ttl } = this.job
      const max = Math.min(this.free, this.half, allowed, most)
      if (max <= 0) return Effect.succeed(Exit.succeed(0))
      const scope = Scope.makeUnsafe()
      this.reserved += max
      // In the same request, where the store can.
      settler.flush()
      return Effect.map(Effect.exit(Scope.provide(store.claim(queue, { max, ttl, waitFor }), scope)), (claimed) => {
        this.reserved -= max
        if (Exit.isSuccess(claimed)) this.start(claimed.value, scope)
        if (Exit.isSuccess(claimed) && claimed.value.length === max) this.plenty.openUnsafe()
        else this.plenty.closeUnsafe()
        this.look()
        return Exit.map(claimed, (jobs) => jobs.length)
      })
    })
  }

  private start(jobs: ReadonlyArray<Claimed>, scope: Scope.Closeable): void {
    let left = jobs.length
    const { onLost, settler, store } = this.job
    const over = () => {
      if (--left === 0) Effect.runForkWith(this.context)(Scope.close(scope, Exit.void))
      this.look()
    }
    this.working += jobs.length
    if (jobs.length > 0) this.idle.closeUnsafe()
    for (const job of jobs) {
      const attempt: Attempt<E> = { job, waited: undefined, end: undefined, exit: undefined, completed: false, over }
      let fiber: Fiber.Fiber<End, E | Deadline.DeadlineExceeded> | undefined
      fiber = store.keepUnsafe(job, this.inPlace(attempt), this.context, (exit) => {
        if (fiber !== undefined) this.fibers.delete(fiber)
        this.working--
        attempt.exit = exit
        if (exit === undefined) {
          onLost()
          over()
        } else {
          settler.add(attempt)
        }
        if (attempt.waited !== undefined) this.leave()
        this.look()
      })
      // A handler that loses its claim by its own first steps is interrupted before it is known here.
      if (fiber !== undefined && fiber.pollUnsafe() === undefined) this.fibers.add(fiber)
    }
  }

  private inPlace(attempt: Attempt<E>): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> {
    const { handle, now } = this.job
    if (this.places.take()) {
      this.begin(attempt, 0)
      return handle(attempt)
    }
    const since = now()
    const turn = this.places.wait(() => this.begin(attempt, now() - since))
    return Effect.andThen(turn, Effect.suspend(() => handle(attempt)))
  }

  private begin(attempt: Attempt<E>, waited: number): void {
    attempt.waited = waited
    this.job.running.running++
  }

  private leave(): void {
    this.job.running.running--
    this.places.leave()
  }

  private look(): void {
    if (this.mayClaim) this.room.openUnsafe()
    if (this.working === 0 && this.job.settler.untold === 0) this.idle.openUnsafe()
  }
}

const most = 1000
const first = 50
const last = 5000
