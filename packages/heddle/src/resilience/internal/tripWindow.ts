import type { Trip } from "../CircuitBreaker.ts"
import { toMillis } from "./check.ts"
import { TimeSlots } from "./TimeSlots.ts"

/** What a circuit remembers of its calls while it is closed. */
export interface TripWindow {
  /** Counts a call, and answers whether the circuit trips. The clock, in monotonic milliseconds, is dear, and only some look at it. */
  readonly add: (failed: boolean, slow: boolean, now: () => number) => boolean
  readonly clear: () => void
}

export const tripWindow = (trip: Trip): TripWindow => {
  if (trip._tag === "Consecutive") return new Streak(trip.failures)
  const slots = "calls" in trip.of
    ? new CallSlots(trip.of.calls)
    : new Recent(toMillis(trip.of.during))
  return new Rate(slots, trip.failures, trip.slow?.share ?? Infinity, trip.minimumCalls)
}

class Streak implements TripWindow {
  private readonly most: number
  private failures = 0
  constructor(most: number) {
    this.most = most
  }
  add(failed: boolean): boolean {
    this.failures = failed ? this.failures + 1 : 0
    return this.failures >= this.most
  }
  clear() {
    this.failures = 0
  }
}

/** Sums over the calls that are remembered. */
interface Slots {
  readonly sums: Readonly<Sums>
  readonly add: (failed: number, slow: number, now: () => number) => void
  readonly clear: () => void
}

interface Sums {
  calls: number
  failed: number
  slow: number
}

const none = (): Sums => ({ calls: 0, failed: 0, slow: 0 })

class Rate implements TripWindow {
  private readonly slots: Slots
  private readonly failures: number
  private readonly slowness: number
  private readonly minimum: number
  constructor(slots: Slots, failures: number, slowness: number, minimum: number) {
    this.slots = slots
    this.failures = failures
    this.slowness = slowness
    this.minimum = minimum
  }
  add(failed: boolean, slow: boolean, now: () => number): boolean {
    this.slots.add(failed ? 1 : 0, slow ? 1 : 0, now)
    const { sums } = this.slots
    return sums.calls >= this.minimum && (failed || slow) &&
      (sums.failed >= this.failures * sums.calls || sums.slow >= this.slowness * sums.calls)
  }
  clear() {
    this.slots.clear()
  }
}

/** The last so many calls, in a ring. */
class CallSlots implements Slots {
  readonly sums = none()
  private readonly ring: Uint8Array
  private at = 0
  constructor(calls: number) {
    this.ring = new Uint8Array(calls)
  }
  add(failed: number, slow: number): void {
    const { ring, sums } = this
    const old = ring[this.at] ?? 0
    if (sums.calls < ring.length) sums.calls++
    else {
      sums.failed -= old & 1
      sums.slow -= old >> 1
    }
    sums.failed += failed
    sums.slow += slow
    ring[this.at] = failed | slow << 1
    this.at = (this.at + 1) % ring.length
  }
  clear() {
    this.at = 0
    Object.assign(this.sums, none())
  }
}

/** The calls of the last so many milliseconds. */
class Recent implements Slots {
  sums: Readonly<Sums> = none()
  private readonly slots: TimeSlots<keyof Sums>
  constructor(millis: number) {
    this.slots = new TimeSlots(millis, none())
  }
  add(failed: number, slow: number, now: () => number): void {
    const at = now()
    this.slots.add("calls", at)
    if (failed > 0) this.slots.add("failed", at)
    if (slow > 0) this.slots.add("slow", at)
    this.sums = this.slots.sums(at)
  }
  clear() {
    this.slots.clear()
  }
}
