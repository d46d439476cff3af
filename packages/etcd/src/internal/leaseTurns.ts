import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Compacted, EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import { decodeNews } from "./leaseOrder.ts"
import { isPassing, pause } from "./leasePassing.ts"
import type { Place, Turn } from "./leasePlace.ts"
import type { Session } from "./leaseSessions.ts"
import type { Store } from "./leaseStore.ts"
import * as Txn from "./leaseTxn.ts"

/**
 * How the waiters of one store hear that their turn has come.
 *
 * Whoever makes room tells those who come to fit. It writes their names to the keys of their sessions; each process watches
 * its own. Who dies tells nobody: so each process also watches for the end of sessions, and looks at its lines then. It
 * looks as well when its watch begins, and when a session was renewed, should anything have been missed.
 */
export class Turns {
  private readonly store: Store
  constructor(store: Store) {
    this.store = store
  }

  /** Waits for the place's turn. */
  wait(place: Place): Effect.Effect<Turn, EtcdError> {
    return Effect.suspend(() => {
      if (place.session === undefined) return Effect.succeed("gone")
      if (place.session.listening === undefined) this.listen(place.session)
      return Deferred.await(place.turn)
    })
  }

  /** Looks whether any waiter of the session is first, or gone. */
  look(session: Session): Effect.Effect<void, EtcdError> {
    return Effect.suspend(() => {
      const rooms = new Set<Place["room"]>()
      for (const place of session.places) {
        if (place.state === "waiting") rooms.add(place.room)
      }
      return Effect.forEach(rooms, (room) => this.lookAt(room), { concurrency: 16, discard: true })
    })
  }

  private lookAt(room: Place["room"]): Effect.Effect<void, EtcdError> {
    const waiting = [...room.places.values()].filter((place) => place.state === "waiting")
    return Effect.map(Txn.read(this.store.etcd, room.name), (view) => {
      const holders = new Set(Array.from(view.holders(this.store.leaving), ({ revision }) => revision))
      for (const place of waiting) {
        if (holders.has(place.revision)) place.tell("first")
        else if (view.entries.get(place.key)?.revision !== place.revision) place.tell("gone")
      }
    })
  }

  private listen(session: Session): void {
    const { etcd, line, prefix } = this.store
    const own = Keys.sessionKey(prefix, session.id)
    const listening: Effect.Effect<never, EtcdError | Compacted> = Effect.scoped(
      Effect.gen({ self: this }, function*() {
        const ends = yield* etcd.watch({ ...EtcdOp.prefix(Keys.sessions(prefix)), only: "delete" })
        const news = yield* etcd.watch({ key: own, only: "put" })
        yield* this.look(session)
        const heard = Effect.map(Queue.takeAll(news.batches), (batches) => {
          for (const batch of batches) {
            for (const { kv } of batch.events) this.hear(EtcdOp.text(kv.value))
          }
        })
        const ended = Effect.flatMap(Queue.takeAll(ends.batches), (batches) => {
          const keys = batches.flatMap(({ events }) => events.map(({ kv }) => EtcdOp.text(kv.key)))
          if (keys.length === 0) return Effect.void
          return Effect.andThen(keys.includes(own) ? this.store.missing(session) : Effect.void, this.look(session))
        })
        return yield* Effect.raceFirst(Effect.forever(heard), Effect.forever(ended))
      })
    )
    session.listening = line(
      listening.pipe(
        Effect.catchTag("Compacted", () => Effect.void),
        Effect.retry({ while: isPassing, schedule: pause }),
        Effect.forever,
        Effect.catch((error) =>
          Effect.sync(() => {
            session.listening = undefined
            for (const place of session.places) {
              if (place.state === "waiting") Deferred.doneUnsafe(place.turn, Effect.fail(error))
            }
          })
        )
      )
    )
  }

  private hear(text: string): void {
    const { behind, told } = decodeNews(text)
    for (const { id, revision } of told) {
      const place = this.store.places.get(id)
      if (place === undefined) continue
      place.room.order.learn(behind, revision, behind.at(-1)?.revision ?? revision)
      place.first(revision)
    }
  }
}
