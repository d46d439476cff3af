import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { EtcdError } from "../EtcdError.ts"
import * as Keys from "./leaseKeys.ts"
import { handOver, leave, tellSession } from "./leaseLeave.ts"
import type { Known, News } from "./leaseOrder.ts"
import { isPassing } from "./leasePassing.ts"
import type { Place } from "./leasePlace.ts"
import type { Store } from "./leaseStore.ts"
import type { View } from "./leaseView.ts"

/** When to try again to delete a key. */
const patience = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

/** After how long a request that got no answer is over for etcd as well. */
const late = "10 seconds"

/** Of so many who stand behind the next one it is told along with its turn. */
const tail = 16

/**
 * Takes claims out that are over, and tells those who hold because of it. A key is named by its claim's id, which is used
 * once: taking it out again can hit nobody else, and tells once more.
 */
export class Removals {
  private readonly store: Store
  constructor(store: Store) {
    this.store = store
  }

  /** Takes the claim out; goes on trying by itself if that fails now. */
  now(place: Place, held: boolean): Effect.Effect<void, EtcdError> {
    const removed = Effect.suspend(() => {
      this.store.leaving.add(place.key)
      return held && place.claim.limit === 1 ? this.handOver(place) : this.leave(place, place.permits)
    })
    return Effect.tapError(removed, () => Effect.sync(() => this.later(place)))
  }

  /** Takes the claim out without being waited for, and once more if a request that may make its key got no answer. */
  later(place: Place): void {
    this.store.leaving.add(place.key)
    const removed = Effect.retry(this.leave(place, Infinity), { while: isPassing, schedule: patience })
    this.store.errand(place.unanswered ? Effect.andThen(removed, Effect.delay(removed, late)) : removed)
  }

  /** Tells claims of any process that they hold now. */
  tell(told: Iterable<Known>): Effect.Effect<void, EtcdError> {
    const away = new Map<bigint, Array<Known>>()
    for (const known of told) {
      const place = this.store.places.get(known.id)
      if (place !== undefined) place.first(known.revision)
      else away.set(known.session, [...away.get(known.session) ?? [], known])
    }
    return Effect.forEach(away, ([session, told]) => {
      const news: News = { told, behind: [] }
      return tellSession(this.store.etcd, this.store.prefix, session, news)
    }, { discard: true })
  }

  private leave(place: Place, permits: number): Effect.Effect<void, EtcdError> {
    return Effect.flatMap(leave(this.store.etcd, place), (view) => this.left(place, view, permits))
  }

  private left(place: Place, view: View, permits: number): Effect.Effect<void, EtcdError> {
    place.room.order.learnFrom(view)
    return this.tell(view.freed(place.revision, permits))
  }

  /**
   * The claim held the whole of a resource. Who comes next is told in the same step if that is known, and at once if it is
   * of this process: it need not wait until etcd has seen that the one before it is over.
   */
  private handOver(place: Place): Effect.Effect<void, EtcdError> {
    const { errand, etcd, leaving, places, prefix } = this.store
    const [next, ...behind] = place.room.order.behind(place.revision).filter(
      ({ id }) => !leaving.has(Keys.keyOf(place.room.name, { ...place.claim, id }))
    )
    const left = (view: View | undefined) => {
      if (view === undefined) return Effect.void
      // Those before it are over: of this process, and still on their way out.
      if (view.size === undefined) view.forgetBefore(place.revision)
      return this.left(place, view, place.permits)
    }
    if (next === undefined) return Effect.flatMap(leave(etcd, place), left)
    const here = places.get(next.id)
    // Who is next goes on from here, not inside the call of who leaves.
    if (here !== undefined) errand(Effect.andThen(Effect.yieldNow, Effect.sync(() => here.first(next.revision))))
    const news = here === undefined ? { told: [next], behind: behind.slice(0, tail) } : undefined
    return Effect.flatMap(handOver(etcd, prefix, place, next, news), left)
  }
}
