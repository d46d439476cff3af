import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import type * as EtcdOp from "../EtcdOp.ts"
import { follow, View } from "./leaseFollow.ts"
import type * as Keys from "./leaseKeys.ts"
import type { Place, Turn } from "./leasePlace.ts"

export const isPassing = ({ reason }: EtcdError): boolean => reason === "Unavailable" || reason === "DeadlineExceeded"

/** How long etcd is left alone after it failed for the moment. */
export const pause = Schedule.spaced("100 millis")

/**
 * All waiters of this process for one resource, on one watch, as long as there are any.
 *
 * Who is next after a key that this process is about to delete is next now; other processes wait until etcd has deleted it.
 */
export class Line {
  private readonly etcd: Etcd["Service"]
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly leaving: Keys.Leaving
  private readonly waiting = new Map<string, Place>()
  private view: View | undefined
  private fiber: Fiber.Fiber<void> | undefined
  constructor(etcd: Etcd["Service"], fork: Line["fork"], leaving: Keys.Leaving) {
    this.etcd = etcd
    this.fork = fork
    this.leaving = leaving
  }

  /** Whether it knows the line, so that a newcomer need not read it. */
  get open(): boolean {
    return this.view !== undefined && this.view.revision > 0n
  }

  /** Tells the place when its turn comes. */
  join(place: Place, snapshot: EtcdOp.RangeResult | undefined): void {
    this.waiting.set(place.key, place)
    if (this.view !== undefined) return this.settle(this.view)
    const view = this.view = new View(place.room)
    this.fiber = this.fork(
      Effect.suspend(() => {
        const first = snapshot
        snapshot = undefined
        return follow(this.etcd, view, first, true, () => this.settle(view))
      }).pipe(
        Effect.retry({ while: isPassing, schedule: pause }),
        Effect.catch((error) => Effect.sync(() => this.fail(error)))
      )
    )
  }

  /** Whether nobody is left. */
  leave(place: Place): boolean {
    this.waiting.delete(place.key)
    if (this.waiting.size === 0) this.close()
    return this.waiting.size === 0
  }

  /** A key of this process began to leave. Who is next goes on from here, not inside the call of who leaves. */
  nudge(): void {
    this.fork(Effect.andThen(Effect.yieldNow, Effect.sync(() => this.view && this.settle(this.view))))
  }

  private settle(view: View): void {
    if (view.revision === 0n) return
    const told: Array<[Place, Turn]> = []
    for (const entry of view.holders(this.leaving)) {
      const place = this.waiting.get(entry.key)
      if (place?.revision === entry.revision) told.push([place, "first"])
    }
    for (const place of this.waiting.values()) {
      const known = view.entries.get(place.key)?.revision === place.revision
      if (!known && place.revision <= view.revision) told.push([place, "gone"])
    }
    // Last, because who is told runs at once, and may leave or join.
    for (const [place, turn] of told) Deferred.doneUnsafe(place.turn, Effect.succeed(turn))
  }

  private fail(error: EtcdError): void {
    const places = [...this.waiting.values()]
    this.waiting.clear()
    this.close()
    for (const place of places) Deferred.doneUnsafe(place.turn, Effect.fail(error))
  }

  private close(): void {
    this.fiber?.interruptUnsafe()
    this.fiber = undefined
    this.view = undefined
  }
}
