import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import type * as Keys from "./leaseKeys.ts"
import { isPassing } from "./leaseLine.ts"
import type { Place } from "./leasePlace.ts"
import type { Run } from "./leaseSessions.ts"

/** When to try again to delete a key. */
const patience = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")])

/** After how long a request that got no answer is over for etcd as well. */
const late = "10 seconds"

/** Deletes the keys of claims that are over. A key is named by its claim's id, which is used once: it can hit nobody else. */
export class Removals {
  private readonly etcd: Etcd["Service"]
  private readonly run: Run
  private readonly leaving: Keys.Leaving
  private readonly nudge: (room: string) => void
  constructor(etcd: Etcd["Service"], run: Run, leaving: Keys.Leaving, nudge: (room: string) => void) {
    this.etcd = etcd
    this.run = run
    this.leaving = leaving
    this.nudge = nudge
  }

  /** Deletes the key; goes on trying by itself if that fails now. */
  now(place: Place): Effect.Effect<void, EtcdError> {
    return Effect.tapError(this.remove(place), () => Effect.sync(() => this.later(place)))
  }

  /** Deletes the key without being waited for, and once more if a request that may make it got no answer. */
  later(place: Place): void {
    const removed = Effect.retry(this.remove(place), { while: isPassing, schedule: patience })
    this.run(place.unanswered ? Effect.andThen(removed, Effect.delay(removed, late)) : removed)
  }

  private remove(place: Place): Effect.Effect<void, EtcdError> {
    return Effect.suspend(() => {
      this.leaving.add(place.key)
      this.nudge(place.room)
      return Effect.asVoid(this.etcd.deleteRange({ key: place.key }))
    })
  }
}
