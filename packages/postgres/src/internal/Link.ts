import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import type { Session } from "./Session.ts"

/** The rows of a result, each an array of its columns. */
export type Rows = ReadonlyArray<ReadonlyArray<unknown>>

/** What a link needs. */
export interface Options {
  readonly open: Effect.Effect<Session, SqlError, Scope.Scope>
  /** Makes a new session ready; what it leaves in its scope ends with the session. */
  readonly prepare: (session: Session) => Effect.Effect<PgConnection, SqlError, Scope.Scope>
  /** Milliseconds: a session that is asked something and sends nothing for half of this is replaced. */
  readonly timeout: number
}

/**
 * A session that is replaced when it ends or falls silent. A statement is sent once and never again by itself; without a
 * session it fails now.
 */
export class Link {
  /** Told each time there is a session again. */
  readonly ups = new Set<() => void>()
  private connection: PgConnection | undefined
  private reason: unknown
  private asked = 0
  /** Open when the session has failed. */
  private readonly lost = Latch.makeUnsafe(false)

  isUp(): boolean {
    return this.connection !== undefined
  }

  run(sql: string, params: ReadonlyArray<unknown> = []): Effect.Effect<Rows, SqlError> {
    return Effect.suspend(() => {
      const connection = this.connection
      if (connection === undefined) return Effect.fail(notConnected(this.reason))
      this.asked++
      return Effect.onExit(connection.queryValues(sql, params), (exit) => {
        this.asked--
        return Exit.isFailure(exit) ? this.failed(connection, exit) : Effect.void
      })
    })
  }

  /** A session that has failed is down now: who asks again at once must not find it before its end is noticed. */
  private failed(connection: PgConnection, { cause }: Exit.Failure<unknown, SqlError>): Effect.Effect<void> {
    const error = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (error?.reason._tag !== "ConnectionError" || this.connection !== connection) return Effect.void
    this.connection = undefined
    this.reason = error
    return this.lost.open
  }

  /** One session, from its beginning to its end. */
  private readonly live = ({ open, prepare, timeout }: Options, onUp: Effect.Effect<unknown>) =>
    Effect.gen({ self: this }, function*() {
      const session = yield* open
      const connection = yield* prepare(session)
      this.connection = connection
      this.lost.closeUnsafe()
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          this.connection = undefined
        })
      )
      for (const tell of this.ups) tell()
      yield* onUp
      yield* Effect.raceAllFirst([session.closed, this.lost.await, this.watch(session, timeout / 8)])
    }).pipe(
      Effect.scoped,
      Effect.tapError((error) =>
        Effect.sync(() => {
          this.reason = error
        })
      )
    )

  /** Looks every `pause` ms whether something came; asks when nobody did for long; ends a session that does not answer. */
  private readonly watch = ({ socket }: Session, pause: number) =>
    Effect.gen({ self: this }, function*() {
      let heard = -1
      let idle = 0
      let unanswered = 0
      // Whoever is asked at the first look may have been so just before it.
      while (unanswered < 5) {
        yield* Effect.sleep(pause)
        const answered = socket.bytesRead !== heard
        heard = socket.bytesRead
        unanswered = answered || this.asked === 0 ? 0 : unanswered + 1
        idle = answered || this.asked > 0 ? 0 : idle + 1
        if (idle < 4) continue
        idle = 0
        yield* Effect.forkDetach(Effect.ignore(this.run("select 1", [])))
      }
      this.reason = new Error("the connection was silent")
    })

  /** Keeps the link, with shorter and then longer pauses between attempts. Completes `first` with the first attempt. */
  readonly keep = (options: Options, first: Deferred.Deferred<void, SqlError>): Effect.Effect<never> => {
    let failures = 0
    const up = Effect.suspend(() => {
      failures = 0
      return Deferred.succeed(first, undefined)
    })
    return this.live(options, up).pipe(
      Effect.catchCause((cause) => Deferred.failCause(first, cause)),
      Effect.andThen(Effect.suspend(() => Effect.sleep(Math.min(20 * failures++, 500)))),
      Effect.forever
    )
  }
}

/** Begins a link that lives as long as the scope. It is down until there is a session; `first` ends as the first attempt does. */
const begin = (options: Options, onUp?: () => void) =>
  Effect.gen(function*() {
    const link = new Link()
    if (onUp !== undefined) link.ups.add(onUp)
    const first = yield* Deferred.make<void, SqlError>()
    yield* Effect.forkScoped(link.keep(options, first))
    return { first, link }
  })

/** Makes a link that lives as long as the scope, and tells each time it is up. Fails with why the first attempt failed. */
export const make = (options: Options, onUp?: () => void): Effect.Effect<Link, SqlError, Scope.Scope> =>
  Effect.flatMap(begin(options, onUp), ({ first, link }) => Effect.as(Deferred.await(first), link))

/** Makes a link that lives as long as the scope, and is down until there is a session. */
export const makeDown = (options: Options): Effect.Effect<Link, never, Scope.Scope> =>
  Effect.map(begin(options), ({ link }) => link)

const notConnected = (reason: unknown): SqlError =>
  new SqlError({ reason: new ConnectionError({ cause: reason, message: "not connected" }) })
