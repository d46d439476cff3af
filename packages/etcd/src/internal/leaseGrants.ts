import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import type { Alarm, Lease, LeaseBackend } from "heddle/coordination"
import type { EtcdError } from "../EtcdError.ts"
import { displaced } from "./leaseDisplaced.ts"
import * as Keys from "./leaseKeys.ts"
import type { Place, Turn } from "./leasePlace.ts"
import type { Removals } from "./leaseRemovals.ts"
import type { Session, Sessions } from "./leaseSessions.ts"
import { nameSize } from "./leaseSize.ts"
import type { Store } from "./leaseStore.ts"
import type { Turns } from "./leaseTurns.ts"
import * as Txn from "./leaseTxn.ts"
import type { View } from "./leaseView.ts"
import { unavailable } from "./unavailable.ts"

/** How many requests to come in are under way at once: in a burst they wait here, and not at the server past their deadline. */
const width = 64

/** The way of a claim from its request to its grant. */
export class Grants {
  private readonly store: Store
  private readonly alarm: Alarm.Alarm<never>
  private readonly sessions: Sessions
  private readonly turns: Turns
  private readonly removals: Removals
  private readonly forget: (place: Place) => void
  private readonly gate = Semaphore.makeUnsafe(width)
  constructor(
    store: Store,
    alarm: Alarm.Alarm<never>,
    sessions: Sessions,
    turns: Turns,
    removals: Removals,
    forget: (place: Place) => void
  ) {
    this.store = store
    this.alarm = alarm
    this.sessions = sessions
    this.turns = turns
    this.removals = removals
    this.forget = forget
  }

  /**
   * The request goes its way whether or not the caller is interrupted: its answer tells whether there is a key to take
   * back. A deletion that is sent at once might overtake it.
   */
  ask(place: Place): Effect.Effect<LeaseBackend.Answer, Lease.StoreUnavailable> {
    place.asks()
    const answered = Effect.onExit(
      this.gate.withPermit(Effect.suspend(() => this.stand(place))),
      (exit) => Effect.sync(() => this.answered(place, exit))
    )
    return Effect.mapError(Fiber.join(this.store.errand(answered)), unavailable)
  }

  private stand(place: Place): Effect.Effect<LeaseBackend.Answer, EtcdError> {
    const { claim } = place
    if (place.state === "left") return Effect.succeed({ _tag: "Busy" })
    return Effect.flatMap(this.sessions.get(claim.ttl), (session) => {
      place.sit(session)
      const { etcd, leaving, prefix } = this.store
      const request = claim.wait
        ? Txn.standInLine(etcd, prefix, place, session)
        : Txn.takeIfFree(etcd, prefix, place, session, leaving)
      return Effect.catchIf(
        Effect.flatMap(request, (entered) => this.entered(place, entered)),
        (error: EtcdError) => error.reason === "NotFound" && place.state !== "left",
        () => {
          this.sessions.end(session)
          return this.stand(place)
        }
      )
    })
  }

  private entered(place: Place, entered: Txn.Entered): Effect.Effect<LeaseBackend.Answer, EtcdError> {
    if (entered._tag !== "In") return Effect.succeed(entered)
    const { long, revision, view } = entered
    const { claim, room } = place
    place.stands(revision)
    if (!claim.wait) return this.grantOr(place, undefined)
    if (view !== undefined) {
      room.order.learnFrom(view)
      if (view.size !== undefined) this.store.errand(nameSize(this.store, view))
      return this.grantOr(place, view)
    }
    if (long) return Effect.succeed(this.queued(place))
    return Effect.flatMap(Txn.read(this.store.etcd, room.name, revision), (ahead) => this.grantOr(place, ahead))
  }

  /** Grants what the line says that the place holds. */
  private grantOr(place: Place, view: View | undefined): Effect.Effect<LeaseBackend.Answer, EtcdError> {
    if (view !== undefined && !view.holds(place.revision, this.store.leaving)) return Effect.succeed(this.queued(place))
    return Effect.map(this.grant(place), (granted) => granted ?? this.queued(place))
  }

  private queued(place: Place): LeaseBackend.Answer {
    return { _tag: "Queued", granted: this.granted(place) }
  }

  /** When its turn comes, the place is held; when its key is gone, it asks again. */
  private granted(place: Place): Effect.Effect<LeaseBackend.Granted, Lease.StoreUnavailable> {
    const held = Effect.flatMap(
      this.turns.wait(place),
      (turn: Turn): Effect.Effect<LeaseBackend.Granted | undefined, EtcdError> => {
        if (turn === "gone") return Effect.undefined
        if (place.claim.limit === 1) this.lookBehind(place)
        return this.grant(place)
      }
    )
    return Effect.flatMap(Effect.mapError(held, unavailable), (granted) => {
      if (granted !== undefined) return Effect.succeed(granted)
      return Effect.flatMap(this.ask(place), (answer) => {
        if (answer._tag === "Granted") return Effect.succeed(answer)
        if (answer._tag === "Queued") return answer.granted
        return Effect.fail(displaced(answer))
      })
    })
  }

  /** Learns who comes next while the place is held, if nobody has told: so that it can be told in one step. */
  private lookBehind(place: Place): void {
    const { order } = place.room
    if (order.behind(place.revision).length > 0) return
    const looked = Effect.map(Txn.readOldest(this.store.etcd, place), (view) => order.learnFrom(view))
    this.store.errand(looked)
  }

  /** Holds the place for as long as its session is proved alive; undefined if the session has ended. */
  private grant(place: Place): Effect.Effect<LeaseBackend.Granted | undefined, EtcdError> {
    const { claim, session } = place
    if (session === undefined) return Effect.undefined
    if (session.until - this.alarm.now() > Math.min(claim.ttl / 2, session.ttl / 3)) {
      return Effect.succeed(this.hold(place, session))
    }
    return Effect.map(this.sessions.prove(session), () => session.over ? undefined : this.hold(place, session))
  }

  private hold(place: Place, session: Session): LeaseBackend.Granted {
    place.until = Math.min(session.until, this.alarm.now() + place.claim.ttl)
    if (place.state !== "left") place.state = "held"
    this.alarm.ring(place.until)
    return { _tag: "Granted", token: Keys.tokenOf(place.revision), until: place.until }
  }

  private answered(place: Place, exit: Exit.Exit<LeaseBackend.Answer, EtcdError>): void {
    const left = place.state === "left"
    if (Exit.isFailure(exit)) {
      // The request may still be under way. What it makes ends with the session at the latest, so that must end.
      place.unanswered = true
      if (place.session !== undefined) this.sessions.retire(place.session)
      if (left) this.removals.later(place)
      else place.state = "waiting"
    } else if (exit.value._tag === "Busy" || exit.value._tag === "Mismatch") this.forget(place)
    else if (left) this.removals.later(place)
    else if (exit.value._tag === "Queued") place.state = "waiting"
  }
}
