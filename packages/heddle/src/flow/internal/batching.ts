import * as Array from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { CurrentObserver, type Observer, type Turn, waiting } from "../../internal/Contended.ts"
import type { BatcherClosed, Left, Stats } from "../Batcher.ts"
import { Flights, type Settings as Flying } from "./batchFlights.ts"
import { Job } from "./batchQueue.ts"
import { drain } from "./draining.ts"
import { Leaving, type Waiter } from "./Ticket.ts"

export interface Settings<I, A, E, R> extends Flying<I, A, E, R> {
  /** What an item weighs, or why it is not taken. */
  readonly weigh: (item: I) => number | Exit.Exit<never, E>
  readonly closed: (started: boolean) => BatcherClosed
}

type Outcome<A, E> = Effect.Effect<A, E | BatcherClosed>

/** Items come in, and their outcomes go out. */
export class Batching<I, A, E, R> {
  /** Whether somebody was told what was left. */
  reported = false
  private readonly settings: Settings<I, A, E, R>
  private readonly flights: Flights<I, A, E | BatcherClosed, R>
  private readonly refused: Exit.Exit<never, BatcherClosed>
  private readonly observer: Observer | undefined
  private notRun: ReadonlyArray<I> = []
  private closed = false
  constructor(settings: Settings<I, A, E, R>) {
    this.settings = settings
    this.observer = Context.get(settings.context, CurrentObserver)
    this.flights = new Flights<I, A, E | BatcherClosed, R>(settings)
    this.refused = Exit.fail(settings.closed(false))
  }

  submit(item: I): Outcome<A, E> {
    const { name = "Batcher" } = this.settings
    return this.observer === undefined
      ? this.brought(item)
      : waiting(
        this.observer,
        { kind: "batcher", name, title: name, owner: this, key: name },
        (turn) => this.brought(item, turn)
      )
  }

  private brought(item: I, turn?: Turn): Outcome<A, E> {
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const job = this.bring(item, resume, turn)
      return job.exit === undefined ? new Leaving(this.leave, job) : resume(job.exit)
    })
  }

  enqueue(item: I): Effect.Effect<Outcome<A, E>, BatcherClosed> {
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const job = this.bring(item)
      if (job.line !== this.flights.queue.outside) return resume(Effect.succeed(job))
      job.admitted = () => resume(job.exit === this.refused ? this.refused : Effect.succeed(job))
      return new Leaving(this.leave, job)
    })
  }

  /** Each element's outcome, in order. Elements that have come are taken, also when nobody waits for them any more. */
  through<E2, R2>(stream: Stream.Stream<I, E2, R2>): Stream.Stream<A, E | E2 | BatcherClosed, R2> {
    const { capacity } = this.settings
    const pressed = Stream.fromEffectDrain(this.flush)
    return stream.pipe(
      Stream.mapArrayEffect((items) => this.takeAll(items)),
      Stream.concat(pressed),
      Stream.catchCause((cause) => Stream.concat(pressed, Stream.failCause(cause))),
      Stream.buffer(capacity === Infinity ? { capacity: "unbounded" } : { capacity }),
      Stream.mapEffect((outcome) => outcome)
    )
  }

  get flush(): Effect.Effect<void> {
    return Effect.sync(() => this.flights.press())
  }

  get stats(): Stats {
    const { flying, queue } = this.flights
    return { waiting: queue.outside.size, queued: queue.jobs.size, batches: flying.size }
  }

  /** Takes nothing more, and lets what was taken run until the time is over; then says what did not. */
  shutdown(within: number): Effect.Effect<Left<I>> {
    const { flights } = this
    return Effect.suspend(() => {
      this.close()
      return Effect.map(drain(flights.idle, within, () => this.cutOff()), () => {
        this.reported = true
        const running = Array.fromIterable(flights.flying).flatMap(({ items }) => items)
        return { notRun: this.notRun, interrupted: [...flights.interrupted, ...running] }
      })
    })
  }

  private bring(item: I, waiter?: Waiter<A, E | BatcherClosed>, turn?: Turn): Job<I, A, E | BatcherClosed> {
    const { flights } = this
    const weight = this.settings.weigh(item)
    if (typeof weight !== "number") {
      const job = new Job<I, A, E | BatcherClosed>(item, 0)
      job.exit = weight
      return job
    }
    const job = new Job<I, A, E | BatcherClosed>(item, weight, waiter)
    job.turn = turn
    if (flights.queue.enter(job)) flights.look()
    return job
  }

  /** The one who waits for an item's end or for room goes; the last one of a batch stops it. */
  private readonly leave = (job: Job<I, A, E | BatcherClosed>): Effect.Effect<void> => {
    const { batch, exit } = job
    if (exit !== undefined) return Effect.void
    if (batch === undefined) {
      this.flights.queue.remove(job)
      return Effect.void
    }
    if (++batch.abandoned < batch.size) return Effect.void
    batch.fiber?.interruptUnsafe()
    return Effect.asVoid(Effect.exit(job))
  }

  private takeAll(
    items: Array.NonEmptyReadonlyArray<I>
  ): Effect.Effect<Array.NonEmptyReadonlyArray<Outcome<A, E>>, BatcherClosed> {
    const { flights } = this
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const jobs = Array.map(items, (item) => this.bring(item))
      const outcomes = Effect.succeed(jobs)
      const last = jobs.findLast(({ line }) => line === flights.queue.outside)
      if (last === undefined) return resume(outcomes)
      last.admitted = () => resume(last.exit === this.refused ? this.refused : outcomes)
      return Effect.sync(() => {
        for (const job of jobs) flights.queue.force(job)
        flights.look()
      })
    })
  }

  private close(): void {
    if (this.closed) return
    this.closed = true
    this.flights.queue.turnAway(this.refused)
    this.flights.end()
  }

  private cutOff(): void {
    this.notRun = [...this.notRun, ...this.flights.queue.clear(this.refused)]
    this.flights.interruptAll(Exit.fail(this.settings.closed(true)))
  }
}
