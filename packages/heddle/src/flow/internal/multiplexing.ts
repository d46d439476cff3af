import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import { monotonic } from "../../internal/monotonic.ts"
import type { Lane, Waiting } from "./multiplexerLane.ts"
import type { Order } from "./multiplexerOrder.ts"
import { Waiters } from "./Waiters.ts"

/** Lanes, each filled by one fiber, and emptied in one order. Everything but waiting is done in single steps. */
export class Multiplexing<A, E> {
  private readonly order: Order
  private readonly lanes: ReadonlyArray<Lane<A>>
  private readonly interruptSources: () => void
  private readonly consumers = new Waiters()
  private arrivals = 0
  private waiting = 0
  private cause: Cause.Cause<E> | undefined

  /** `interruptSources` tells all of them and waits for none. */
  constructor(order: Order, lanes: ReadonlyArray<Lane<A>>, interruptSources: () => void) {
    this.order = order
    this.lanes = lanes
    this.interruptSources = interruptSources
  }

  /** Puts in what a source brings, and waits where there is no room and its lane waits. */
  pour(lane: Lane<A>, elements: Iterable<A>): Effect.Effect<void> {
    return Effect.suspend(() => this.pourRest(lane, elements[Symbol.iterator]()))
  }

  private pourRest(lane: Lane<A>, elements: Iterator<A>): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const now = monotonic(fiber.getRef(Clock.Clock))()
      while (lane.state === "running") {
        const next = elements.next()
        if (next.done === true) break
        const put = this.put(lane, next.value, now)
        if (!lane.over) continue
        this.consumers.wakeAll()
        return Effect.andThen(this.room(lane, put), this.pourRest(lane, elements))
      }
      this.consumers.wakeAll()
      return Effect.void
    })
  }

  /** The next element, in an array of its own: what comes meanwhile may go before those that wait. */
  readonly pull: Pull.Pull<NonEmptyReadonlyArray<A>, E> = Effect.suspend(() => {
    const next = this.take()
    if (next !== undefined) return Effect.succeed([next.element])
    if (this.over) return this.cause === undefined ? Cause.done() : Effect.failCause(this.cause)
    return Effect.andThen(this.consumers.until(() => this.waiting > 0 || this.over), this.pull)
  })

  ended(lane: Lane<A>, exit: Exit.Exit<unknown, E>): void {
    if (lane.state !== "running") return
    lane.state = Exit.isSuccess(exit) ? "ended" : "failed"
    if (Exit.isFailure(exit) && !lane.leavesOut(exit.cause)) this.fail(exit.cause)
    if ((Exit.isSuccess(exit) ? lane.options.onEnd : lane.options.onError) === "stop") {
      this.close()
      this.interruptSources()
    }
    this.consumers.wakeAll()
  }

  /** Nothing more is taken from the sources. What was taken is still delivered. */
  close(): void {
    for (const lane of this.lanes) if (lane.state === "running") lane.state = "stopped"
    this.consumers.wakeAll()
  }

  /** The scope is closed: what was taken can still be had, but nobody is told that the sources have ended. */
  forget(): void {
    if (this.lanes.some(({ state }) => state === "running")) this.fail(Cause.interrupt())
    this.close()
    for (const lane of this.lanes) lane.forget()
  }

  private fail(cause: Cause.Cause<E>): void {
    this.cause = this.cause === undefined ? cause : Cause.combine(this.cause, cause)
  }

  private get over(): boolean {
    return this.waiting === 0 && this.lanes.every(({ state }) => state !== "running")
  }

  private put(lane: Lane<A>, element: A, now: number): Waiting<A> | undefined {
    const oldest = lane.line.head
    if (lane.options.whenFull === "dropOldest" && lane.full && oldest !== undefined) this.drop(lane, oldest)
    if (oldest === undefined) this.order.awoken(lane)
    const waiting = lane.enter(element, this.arrivals++, this.order.due(lane.rank, now))
    if (waiting !== undefined) this.waiting++
    return waiting
  }

  /** Waits for room. Who waits for so long only drops what it brought last, if that has not found room. */
  private room(lane: Lane<A>, last: Waiting<A> | undefined): Effect.Effect<void> {
    const { whenFull } = lane.options
    const room = lane.room.until(() => lane.roomy)
    if (typeof whenFull !== "number") return room
    return Effect.map(Effect.timeoutOption(room, whenFull), (found) => {
      if (Option.isNone(found) && lane.over && last !== undefined) this.drop(lane, last)
    })
  }

  private drop(lane: Lane<A>, which: Waiting<A>): void {
    lane.drop(which)
    this.waiting--
  }

  private take(): Waiting<A> | undefined {
    let best: Lane<A> | undefined
    for (const lane of this.lanes) {
      if (lane.line.size > 0 && (best === undefined || this.order.before(lane, best))) best = lane
    }
    const next = best?.deliver()
    if (best === undefined || next === undefined) return undefined
    this.order.taken(best)
    this.waiting--
    if (best.roomy) best.room.wakeAll()
    return next
  }
}
