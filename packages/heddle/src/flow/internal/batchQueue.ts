import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { Line, type Place } from "../../internal/Line.ts"
import type { Seat, Standing } from "./batchSeat.ts"
import type { Tally } from "./flowMetrics.ts"

/** What a batch comes to: one exit for each item, or one for all. */
export type Exits<A, E> = ReadonlyArray<Exit.Exit<A, E>> | Exit.Exit<A, E>

/** Items that go together, those with a number from `from` to before `until`. */
export class Batch<I, A, E> implements Place<Batch<I, A, E>> {
  before: Batch<I, A, E> | undefined = undefined
  behind: Batch<I, A, E> | undefined = undefined
  line: Line<Batch<I, A, E>> | undefined = undefined
  readonly items: NonEmptyReadonlyArray<I>
  readonly seats: Array<Seat<A, E>>
  /** When each was taken, if that is asked for. */
  readonly times: ReadonlyArray<number>
  readonly from: number
  readonly until: number
  /** How many they were: `seats` is emptied at the end. */
  readonly size: number
  /** How many of them were left by those who brought them. */
  private abandoned = 0
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** Told when it is over, where the last one who left it waits for that. */
  private ended: (() => void) | undefined = undefined
  constructor(
    items: NonEmptyReadonlyArray<I>,
    seats: Array<Seat<A, E>>,
    times: ReadonlyArray<number>,
    from: number,
    until: number
  ) {
    this.items = items
    this.seats = seats
    this.times = times
    this.from = from
    this.until = until
    this.size = items.length
  }

  /** One who brought an item goes; the last one stops the batch, and waits for that. */
  leave(): Effect.Effect<void> {
    if (++this.abandoned < this.size) return Effect.void
    this.fiber?.interruptUnsafe()
    return Effect.callback((resume) => {
      if (this.seats.length === 0) return resume(Effect.void)
      this.ended = () => resume(Effect.void)
    })
  }

  /** Those who brought the items go on inside of this call. */
  tell(exits: Exits<A, E>): void {
    const { ended, seats, size } = this
    if ("length" in exits) { for (let at = 0; at < size; at++) seats[at]?.tell(exits[at] ?? wrong(size, at)) }
    else for (const seat of seats) seat.tell(exits)
    ended?.()
    // An array that V8 made among old objects would keep what is in it until the next full collection.
    seats.length = 0
  }
}

export interface Limits {
  readonly maxSize: number
  readonly maxWeight: number
  /** Milliseconds. */
  readonly maxWait: number
  readonly capacity: number
}

export type Count = "depth" | "waiting" | "active" | "completed" | "failed" | "dropped"

/**
 * Items in order of arrival, until they go in a batch. What belongs to one of them stands in the same place of a few arrays, so that a
 * batch is cut without a look at each.
 *
 * Invariant: while somebody stands in `outside`, it has as many items as its capacity.
 */
export class BatchQueue<I, A, E> {
  /** Those who wait for room. */
  readonly outside = new Line<Standing<I, A, E>>()
  /** How many items are in it. */
  size = 0
  private items: Array<I> = []
  private seats: Array<Seat<A, E>> = []
  /** Empty where nothing weighs anything. */
  private weights: Array<number> = []
  /** Empty where nobody asks for it. */
  private times: Array<number> = []
  /** The number of the first in these arrays. */
  private base = 0
  /** The place of the first that is in no batch, and has not left. */
  private head = 0
  /** How many of those behind it have left. */
  private holes = 0
  private weight = 0
  /** How many of those that stand first go without waiting for more. */
  private pressed = 0
  /** Whether somebody observes how long items wait. */
  private observed = false
  private readonly weighed: boolean
  private readonly timed: boolean
  private readonly limits: Limits
  private readonly now: () => number
  private readonly tally: Tally<Count>
  private readonly tell: (call: () => void) => void
  constructor(limits: Limits, now: () => number, tally: Tally<Count>, tell: (call: () => void) => void) {
    this.limits = limits
    this.now = now
    this.tally = tally
    this.tell = tell
    this.weighed = limits.maxWeight !== Infinity
    this.timed = tally.latency !== undefined || (limits.maxWait > 0 && limits.maxWait < Infinity)
  }

  get hasRoom(): boolean {
    return this.size < this.limits.capacity
  }

  /** Takes an item. */
  admit(item: I, weight: number, seat: Seat<A, E>): void {
    seat.at = this.base + this.items.length
    this.items.push(item)
    this.seats.push(seat)
    if (this.weighed) {
      this.weights.push(weight)
      this.weight += weight
    }
    if (this.timed) this.times.push(this.now())
    if (seat.turn !== undefined) this.observed = true
    this.size++
    this.tally.counts.depth++
  }

  /** One waits for room. */
  stand(standing: Standing<I, A, E>): void {
    this.outside.push(standing)
    this.tally.counts.waiting++
  }

  /** Takes one that waits for room although there is none. */
  force(standing: Standing<I, A, E>): void {
    if (this.leaveOutside(standing)) this.admit(standing.item, standing.weight, standing)
  }

  /** One who waits for room goes; answers whether they did. */
  leaveOutside(standing: Standing<I, A, E>): boolean {
    if (standing.line !== this.outside) return false
    this.outside.remove(standing)
    this.tally.counts.waiting--
    return true
  }

  /** One goes that is in no batch; answers whether it was in none. */
  remove(seat: Seat<A, E>): boolean {
    const at = seat.at - this.base
    if (at < this.head) return false
    seat.at = -1
    this.size--
    this.holes++
    this.tally.counts.depth--
    this.tally.counts.dropped++
    this.weight -= this.weights[at] ?? 0
    this.pressed = Math.min(this.pressed, this.size)
    this.goOn(this.head)
    this.refill()
    return true
  }

  /** All that stand in it now go without waiting for more. */
  press(): void {
    this.pressed = this.size
  }

  /** Whether a batch is full. */
  get full(): boolean {
    return this.size >= this.limits.maxSize || (this.weighed && this.weight >= this.limits.maxWeight)
  }

  /** The instant at which a batch should go; `Infinity` if nothing says so. */
  get due(): number {
    if (this.size === 0) return Infinity
    const { maxWait } = this.limits
    return maxWait === 0 || this.pressed > 0 || this.full
      ? -Infinity
      : maxWait + (this.times[this.head] ?? 0)
  }

  /** The next batch: as many of the first as fit. */
  cut(): Batch<I, A, E> | undefined {
    const { base, head, holes, limits: { maxSize }, seats } = this
    const until = holes > 0 || this.weighed ? this.fitting() : Math.min(head + maxSize, seats.length)
    const stays = (_: unknown, at: number) => this.stands(head + at)
    const column = <T>(all: ReadonlyArray<T>): Array<T> => {
      const cut = all.slice(head, until)
      return holes > 0 ? cut.filter(stays) : cut
    }
    const items = column(this.items)
    if (!Arr.isArrayNonEmpty(items)) return undefined
    const batch = new Batch<I, A, E>(items, column(seats), column(this.times), base + head, base + until)
    if (this.observed) { for (const { turn } of batch.seats) turn?.entered() }
    this.size -= batch.size
    this.holes -= until - head - batch.size
    this.pressed = Math.max(0, this.pressed - batch.size)
    this.goOn(until)
    this.tally.counts.depth -= batch.size
    this.tally.counts.active += batch.size
    this.refill()
    return batch
  }

  /** The items of a batch have ended. They are not told. */
  end(batch: Batch<I, A, E>, exits: Exits<A, E>, dropped: boolean): void {
    const { size, times } = batch
    const { counts, latency } = this.tally
    if (latency !== undefined) {
      const now = this.now()
      for (const time of times) latency.took((now - time) / 1000)
    }
    counts.active -= size
    if (dropped) {
      counts.dropped += size
      return
    }
    let completed = 0
    if (!("length" in exits)) completed = exits._tag === "Success" ? size : 0
    else for (let at = 0; at < size; at++) if (exits[at]?._tag === "Success") completed++
    counts.completed += completed
    counts.failed += size - completed
  }

  /** Nobody waits for room any more. */
  turnAway(refused: Exit.Exit<never, E>): void {
    for (let standing = this.outside.head; standing !== undefined; standing = this.outside.head) {
      const { admitted, tell } = standing
      this.leaveOutside(standing)
      this.tell(() => admitted === undefined ? tell(refused) : admitted(refused))
    }
  }

  /** Nothing that is in no batch will go; answers what that was. */
  clear(refused: Exit.Exit<never, E>): ReadonlyArray<I> {
    const { head, seats } = this
    const cleared = this.items.filter((_, at) => at >= head && this.stands(at))
    for (const seat of seats.slice(head)) if (seat.at >= 0) this.tell(() => seat.tell(refused))
    this.tally.counts.depth -= this.size
    this.tally.counts.dropped += this.size
    this.size = this.holes = 0
    this.goOn(seats.length)
    return cleared
  }

  /** Whether the item in a place has not left. */
  private stands(at: number): boolean {
    const seat = this.seats[at]
    return seat !== undefined && seat.at >= 0
  }

  /** How far a batch goes that begins with the first; its weight goes with it. */
  private fitting(): number {
    const { limits: { maxSize, maxWeight }, seats, weights } = this
    let [until, size, taken] = [this.head, 0, 0]
    for (; until < seats.length && size < maxSize; until++) {
      if (!this.stands(until)) continue
      const weight = weights[until] ?? 0
      if (taken + weight > maxWeight) break
      taken += weight
      this.weight -= weight
      size++
    }
    return until
  }

  /** What stands before `head` is done with, and so are those that have left, where they come first or are most. */
  private goOn(head: number): void {
    while (head < this.seats.length && !this.stands(head)) {
      head++
      this.holes--
    }
    this.head = head
    if (this.size > 0 && head + this.holes <= 64 + this.size) return
    const kept = <T>(all: Array<T>): Array<T> =>
      this.size === 0 ? [] : all.filter((_, at) => at >= head && this.stands(at))
    this.items = kept(this.items)
    this.weights = kept(this.weights)
    this.times = kept(this.times)
    this.seats = kept(this.seats)
    // Numbers go on from where they were: nobody gets one that is of a batch that was cut.
    this.base += head
    this.head = this.holes = 0
    this.seats.forEach((seat, at) => seat.at = this.base + at)
    if (this.size === 0) this.weight = 0
  }

  private refill(): void {
    while (this.hasRoom) {
      const standing = this.outside.head
      if (standing === undefined) return
      const { admitted } = standing
      this.force(standing)
      if (admitted !== undefined) this.tell(() => admitted())
    }
  }
}

/** What a batch comes to whose outcomes are not one for each item. */
export const wrong = (items: number, exits: number): Exit.Exit<never> =>
  Exit.die(new Error(`A batch of ${items} items has ${exits} outcomes: answer one for each, in their order`))
