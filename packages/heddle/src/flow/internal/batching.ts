import * as Array from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { CurrentObserver, type Observer, type Turn, waiting } from "../../internal/Contended.ts"
import type { BatcherClosed, Left, Stats } from "../Batcher.ts"
import { Flights, type Settings as Flying } from "./batchFlights.ts"
import { Ending, Seat, Standing, type Waiter } from "./batchSeat.ts"
import { drain } from "./draining.ts"

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
      const weight = this.settings.weigh(item)
      return typeof weight === "number" ? this.bring(item, weight, resume, turn) : resume(weight)
    })
  }

  enqueue(item: I): Effect.Effect<Outcome<A, E>, BatcherClosed> {
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const [ending, seat] = this.enlist(item)
      const outcome = Effect.succeed(ending)
      if (!(seat instanceof Standing)) return resume(outcome)
      seat.admitted = (refused) => resume(refused ?? outcome)
      return seat
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
    return { waiting: queue.outside.size, queued: queue.size, batches: flying.size }
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

  private bring(item: I, weight: number, tell: Waiter<A, E | BatcherClosed>, turn?: Turn): Seat<A, E | BatcherClosed> {
    const { flights, flights: { queue } } = this
    if (!queue.hasRoom) {
      const standing = new Standing<I, A, E | BatcherClosed>(item, weight, tell, this.leave, turn)
      queue.stand(standing)
      return standing
    }
    const seat = new Seat<A, E | BatcherClosed>(tell, this.leave, turn)
    queue.admit(item, weight, seat)
    flights.look()
    return seat
  }

  /** An item of one who does not stay for its end. Where it is refused for its weight nobody sits. */
  private enlist(item: I) {
    const ending = new Ending<A, E | BatcherClosed>()
    const weight = this.settings.weigh(item)
    if (typeof weight === "number") return [ending, this.bring(item, weight, ending.tell)] as const
    ending.tell(weight)
    return [ending, undefined] as const
  }

  /** The one who waits for an item's end or for room goes; the last one of a batch stops it. */
  private readonly leave = (seat: Seat<A, E | BatcherClosed>): Effect.Effect<void> => {
    const { flying, queue } = this.flights
    if (seat instanceof Standing && queue.leaveOutside(seat)) return Effect.void
    if (queue.remove(seat)) return Effect.void
    for (const batch of flying) if (batch.from <= seat.at && seat.at < batch.until) return batch.leave()
    return Effect.void
  }

  private takeAll(
    items: Array.NonEmptyReadonlyArray<I>
  ): Effect.Effect<Array.NonEmptyReadonlyArray<Outcome<A, E>>, BatcherClosed> {
    const { flights } = this
    return Effect.callback((resume) => {
      if (this.closed) return resume(this.refused)
      const enlisted = Array.map(items, (item) => this.enlist(item))
      const outcomes = Effect.succeed(Array.map(enlisted, ([ending]) => ending))
      const standing = enlisted.map(([, seat]) => seat).filter((seat) => seat instanceof Standing)
      const last = standing.at(-1)
      if (last === undefined) return resume(outcomes)
      last.admitted = (refused) => resume(refused ?? outcomes)
      return Effect.sync(() => {
        for (const seat of standing) flights.queue.force(seat)
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
