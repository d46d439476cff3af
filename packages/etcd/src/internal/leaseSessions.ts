import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { EtcdError } from "../EtcdError.ts"
import type { Place } from "./leasePlace.ts"
import type { Store } from "./leaseStore.ts"
import * as Txn from "./leaseTxn.ts"
import { proved } from "./proved.ts"

/** One lease of etcd, which many claims of this process share: their keys live as long as it does. */
export class Session {
  readonly id: bigint
  /** What the server granted, in milliseconds. */
  readonly ttl: number
  readonly places = new Set<Place>()
  /** The instant (ms, monotonic) until which it is proved alive. */
  until: number
  renewAt: number
  /** Whether a claim has asked for it since it was last renewed. */
  used = true
  /** No new claim may have it. */
  retired = false
  over = false
  beat: Deferred.Deferred<void, EtcdError> | undefined
  /** Whether its key has been written. */
  announced = false
  /** Ends its watches, while there are any. */
  listening: (() => void) | undefined
  constructor(id: bigint, ttl: number, sent: number) {
    this.id = id
    this.ttl = ttl
    this.until = sent + proved(ttl)
    this.renewAt = sent + ttl / 3
  }
}

/**
 * The sessions of one store, one for each ttl in whole seconds. A session is kept alive while a claim has it or was made
 * since it was last renewed; else it is revoked.
 */
export class Sessions {
  private readonly store: Pick<Store, "etcd" | "prefix" | "errand">
  private readonly clock: { now(): number; ring(instant: number): void }
  /** Called when etcd says that a session has ended, or lives. */
  private readonly ended: (session: Session) => void
  private readonly renewed: (session: Session) => void
  private readonly all = new Set<Session>()
  private readonly current = new Map<number, Session>()
  private readonly starting = new Map<number, Deferred.Deferred<Session, EtcdError>>()
  constructor(
    store: Sessions["store"],
    clock: Sessions["clock"],
    ended: Sessions["ended"],
    renewed: Sessions["renewed"]
  ) {
    this.store = store
    this.clock = clock
    this.ended = ended
    this.renewed = renewed
  }

  /** The session for claims of this ttl (ms). */
  get(ttl: number): Effect.Effect<Session, EtcdError> {
    return Effect.suspend(() => {
      const seconds = Math.ceil(ttl / 1000)
      const session = this.current.get(seconds)
      if (session === undefined || session.until <= this.clock.now()) return this.start(seconds)
      session.used = true
      return Effect.succeed(session)
    })
  }

  /**
   * Asks etcd whether the session lives, which renews it; those who ask meanwhile share the answer. That it has ended is
   * told by `over`, not by a failure.
   */
  prove(session: Session): Effect.Effect<void, EtcdError> {
    return Effect.suspend(() => {
      if (session.beat !== undefined) return Deferred.await(session.beat)
      const beat = session.beat = Deferred.makeUnsafe<void, EtcdError>()
      const sent = this.clock.now()
      session.used = false
      this.store.errand(Effect.onExit(this.store.etcd.leaseKeepAlive(session.id), (exit) =>
        Effect.sync(() => {
          session.beat = undefined
          if (Exit.isSuccess(exit)) {
            session.until = sent + proved(session.ttl)
            session.renewAt = sent + session.ttl / 3
            this.renewed(session)
          } else {
            session.renewAt = this.clock.now() + Math.min(session.ttl / 10, 1000)
            if (isNotFound(exit)) this.end(session)
          }
          this.clock.ring(session.renewAt)
          Deferred.doneUnsafe(beat, session.over ? Effect.void : Exit.asVoid(exit))
        })))
      return Deferred.await(beat)
    })
  }

  /** The session's key is gone: the session has ended, or gets its key back. */
  missing(session: Session): Effect.Effect<void, EtcdError> {
    const { etcd, prefix } = this.store
    return Effect.andThen(
      this.prove(session),
      Effect.suspend(() => session.over ? Effect.void : etcd.txn({ success: [Txn.announce(prefix, session)] }))
    )
  }

  /** Gives the session to no new claim, and ends it with its last one. */
  retire(session: Session): void {
    session.retired = true
    for (const [seconds, other] of this.current) if (other === session) this.current.delete(seconds)
  }

  /** The session has ended, as etcd says. */
  end(session: Session): void {
    if (session.over) return
    session.over = true
    this.forget(session)
    this.ended(session)
  }

  /** Renews what is due, revokes what nobody needs, and tells when to look again. */
  look(): number {
    const now = this.clock.now()
    let next = Infinity
    for (const session of this.all) {
      if (session.places.size === 0 && (session.retired || (!session.used && session.renewAt <= now))) {
        this.forget(session)
        this.store.errand(this.store.etcd.leaseRevoke(session.id))
      } else if (session.renewAt <= now) {
        this.store.errand(this.prove(session))
      } else {
        next = Math.min(next, session.renewAt)
      }
    }
    return next
  }

  /** Revokes all, which frees every key that is left. */
  readonly close: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach([...this.all], (session) => Effect.ignore(this.store.etcd.leaseRevoke(session.id)), {
      concurrency: "unbounded",
      discard: true
    })
  )

  private forget(session: Session): void {
    this.retire(session)
    this.all.delete(session)
    session.listening?.()
  }

  private start(seconds: number): Effect.Effect<Session, EtcdError> {
    const before = this.starting.get(seconds)
    if (before !== undefined) return Deferred.await(before)
    const started = Deferred.makeUnsafe<Session, EtcdError>()
    const old = this.current.get(seconds)
    if (old !== undefined) this.retire(old)
    this.starting.set(seconds, started)
    const sent = this.clock.now()
    this.store.errand(Effect.onExit(this.store.etcd.leaseGrant(Duration.seconds(seconds)), (exit) =>
      Effect.sync(() => {
        this.starting.delete(seconds)
        if (Exit.isFailure(exit)) return Deferred.doneUnsafe(started, Effect.failCause(exit.cause))
        const session = new Session(exit.value.id, Duration.toMillis(exit.value.ttl), sent)
        this.all.add(session)
        this.current.set(seconds, session)
        this.clock.ring(session.renewAt)
        Deferred.doneUnsafe(started, Effect.succeed(session))
      })))
    return Deferred.await(started)
  }
}

const isNotFound = (exit: Exit.Exit<unknown, EtcdError>): boolean => {
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" && error.value.reason === "NotFound"
}
