import * as PgConnection from "@effect/sql-pg/PgConnection"
import { assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Ops from "../src/internal/jobOps.ts"
import { jobSql } from "../src/internal/jobSql.ts"

const entry = (id: string) => ({
  id,
  payload: new Uint8Array([1]),
  headers: {},
  key: undefined,
  priority: 0,
  delay: 0,
  maxAttempts: 3,
  keep: 0
})

const done = { _tag: "Completed", result: undefined } as const

describe("the functions of jobs on PostgreSQL", () => {
  it.live("read of each job that they claim, end or extend a few rows, however many others have claimed", () =>
    Effect.gen(function*() {
      const { url } = yield* Servers.postgres
      const session = yield* PgConnection.make({ url: Redacted.make(url) })
      const call = (name: string, params: string, given: ReadonlyArray<unknown>) =>
        session.queryValues(`select * from reads.job_${name}_1(${params})`, given)
      const claimed = (queue: string, count: number) =>
        Effect.gen(function*() {
          const entries = Array.from({ length: count }, (_, at) => entry(`${queue}-${at}`))
          yield* call("enqueue", "$1, $2", Ops.enqueueArgs([{ queue, entries }]))
          const rows = yield* call("claim", "$1, $2, $3::text::int8, $4, '{}'", [queue, count, "60000000", "me"])
          return Ops.takenOf(rows, { queue, max: count, ttl: 60_000, owner: "me", wait: false }, 0).jobs
        })
      const rowsRead = Effect.map(
        session.queryValues(
          "select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'job'",
          []
        ),
        ([row]) => Number(row?.[0])
      )
      yield* session.query(jobSql("reads"), [], false)
      // The plans are made of what is known of a table that had jobs and is empty, which is how most are found by who analyzes them.
      const first = yield* claimed("first", 2000)
      yield* call("settle", "$1, $2", Ops.settleArgs(first.map((held) => ({ held, settlement: done }))))
      yield* session.query("analyze reads.job", [], false)
      yield* claimed("others", 2000)
      // What a session has read is told to others now and then: in a transaction it is all its own.
      yield* session.query("begin", [], false)
      const start = yield* rowsRead
      const mine = yield* claimed("mine", 20)
      const before = yield* rowsRead
      assert.isAtMost(before - start, 20 * 10)
      const columns = [
        mine.map(() => "mine"),
        mine.map(({ id }) => id),
        mine.map(({ token }) => String(token)),
        mine.map(() => "1000000")
      ]
      assert.lengthOf(yield* call("extend", "$1, $2, $3::text[]::int8[], $4::text[]::int8[]", columns), 20)
      assert.isAtMost((yield* rowsRead) - before, 20 * 5)
      const ends = mine.map((held) => ({ held, settlement: done }))
      assert.deepStrictEqual(yield* call("settle", "$1, $2", Ops.settleArgs(ends)), [["C".repeat(20)]])
      assert.isAtMost((yield* rowsRead) - before, 20 * 10)
      yield* session.query("rollback", [], false)
    }).pipe(Effect.scoped))
})
