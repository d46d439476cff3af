import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import { Lease } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import type { Rows } from "./Link.ts"
import { leadSql, nextSql, refuseSql, removeSql } from "./outboxSql.ts"

interface Moving<E, R> {
  readonly schema: string
  readonly name: string
  readonly batch: number
  /** Opens when rows may have been added. */
  readonly news: Latch.Latch
  /** Sends a row. Answers why it can never be sent, if so. */
  readonly move: (payload: string, id: string) => Effect.Effect<string | undefined, E, R>
}

/** Waits until nobody else moves the rows of this name, and moves them for as long as its session lasts. */
export const lead = <E, R>(
  postgres: Postgres["Service"],
  { batch, move, name, news, schema }: Moving<E, R>
): Effect.Effect<never, E | Lease.StoreUnavailable, R> =>
  Effect.scoped(Effect.gen(function*() {
    const { closed, connection } = yield* postgres.open("many")
    const ask = (sql: string, params: ReadonlyArray<unknown>): Effect.Effect<Rows, Lease.StoreUnavailable> =>
      Effect.timeoutOrElse(Effect.mapError(connection.queryValues(sql, params), postgres.failure), {
        duration: postgres.timeout,
        orElse: () => Effect.fail(gone)
      })

    const asked = Effect.map(ask(leadSql, [`${schema}/${name}`]), ([row]) => row?.[0] === true)
    while (!(yield* asked)) yield* Effect.sleep("1 second")

    const moveAll = (rows: Rows) => {
      const sent: Array<string> = []
      const each = Effect.forEach(rows, ([seq, id, payload]) =>
        Effect.flatMap(move(String(payload), String(id)), (reason): Effect.Effect<unknown, Lease.StoreUnavailable> => {
          if (reason === undefined) {
            return Effect.sync(() =>
              sent.push(String(seq))
            )
          }
          const told = Effect.logWarning(`outbox ${name} sets the row ${String(id)} aside: ${reason}`)
          return Effect.andThen(told, ask(refuseSql(schema), [String(seq), reason]))
        }), { discard: true })
      // What was sent is removed, however this ends.
      return Effect.onExit(each, () =>
        sent.length === 0 ? Effect.void : ask(removeSql(schema), [sent]))
    }

    const step = Effect.gen(function*() {
      news.closeUnsafe()
      const rows = yield* ask(nextSql(schema), [name, batch])
      const first = rows.findIndex(([, , , isOver]) => isOver !== true)
      const ready = first < 0 ? rows : rows.slice(0, first)
      if (ready.length > 0) return yield* moveAll(ready)
      // Nobody tells of the end of the transaction that it waits for.
      if (rows.length > 0) return yield* Effect.sleep("50 millis")
      yield* Effect.raceFirst(news.await, Effect.sleep("5 seconds"))
    })
    return yield* Effect.raceFirst(Effect.forever(step), Effect.andThen(closed, Effect.fail(gone)))
  }))

const gone = new Lease.StoreUnavailable({
  backend: "postgres",
  message: "the session that moved the rows of an outbox has ended, or is silent"
})
