import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import type * as EtcdOp from "../EtcdOp.ts"
import type * as Keys from "./leaseKeys.ts"
import { Line } from "./leaseLine.ts"
import { waitAlone } from "./leaseLone.ts"
import type { Place, Turn } from "./leasePlace.ts"

/** So many waiters of a process for one resource wait each by itself; with more of them they share a watch of the line. */
const few = 2

/** How the waiters of one store hear that their turn has come. */
export class Waits {
  private readonly etcd: Etcd["Service"]
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  private readonly leaving: Keys.Leaving
  private readonly lines = new Map<string, Line>()
  /** The keys of those who wait by themselves, by room. */
  private readonly alone = new Map<string, Set<string>>()
  constructor(etcd: Etcd["Service"], fork: Waits["fork"], leaving: Keys.Leaving) {
    this.etcd = etcd
    this.fork = fork
    this.leaving = leaving
  }

  /** Whether a newcomer to the room need not read its line. */
  knows(room: string): boolean {
    return this.lines.get(room)?.open === true
  }

  /** A key of this process began to leave the room. */
  nudge(room: string): void {
    this.lines.get(room)?.nudge()
  }

  /** Waits for the place's turn. `line` is the whole of it, if that is known. */
  turn(place: Place, line: EtcdOp.RangeResult | undefined): Effect.Effect<Turn, EtcdError> {
    const { claim, key, room } = place
    return Effect.suspend(() => {
      const alone = this.alone.get(room) ?? new Set<string>()
      if (claim.limit > 1 || this.knows(room) || alone.size >= few) return this.together(place, line)
      this.alone.set(room, alone.add(key))
      return Effect.raceFirst(waitAlone(this.etcd, place, this.leaving, line), Deferred.await(place.turn)).pipe(
        Effect.ensuring(Effect.sync(() => {
          alone.delete(key)
          if (alone.size === 0) this.alone.delete(room)
        }))
      )
    })
  }

  private together(place: Place, known: EtcdOp.RangeResult | undefined): Effect.Effect<Turn, EtcdError> {
    const line = this.lines.get(place.room) ?? new Line(this.etcd, this.fork, this.leaving)
    this.lines.set(place.room, line)
    line.join(place, known)
    return Effect.ensuring(
      Deferred.await(place.turn),
      Effect.sync(() => {
        if (line.leave(place)) this.lines.delete(place.room)
      })
    )
  }
}
