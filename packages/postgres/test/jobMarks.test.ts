import { PgClient } from "@effect/sql-pg"
import * as PgConnection from "@effect/sql-pg/PgConnection"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import { type Job, type JobBackend, JobStore } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { PostgresJobStore } from "../src/index.ts"
import * as Ops from "../src/internal/jobOps.ts"
import { jobSql } from "../src/internal/jobSql.ts"

interface Given {
  readonly key?: string
  readonly priority?: number
  readonly delay?: number
}
const entry = (id: string, given: Given = {}) => ({
  id,
  payload: new Uint8Array([1]),
  headers: {},
  key: undefined,
  priority: 0,
  delay: 0,
  maxAttempts: 3,
  keep: 0,
  ...given
})

const done = { _tag: "Completed", result: undefined } as const

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { url } = await Effect.runPromise(Scope.provide(Servers.postgres, scope))

/** A queue on which it is as late as the test says. */
const aQueue = Effect.gen(function*() {
  const name = randomUUID()
  const session = yield* PgConnection.make({ url: Redacted.make(url) })
  const query = (sql: string, given: ReadonlyArray<unknown> = []) => session.queryValues(sql, given, false)
  const call = (name: string, params: string, given: ReadonlyArray<unknown>) =>
    query(`select * from marks.job_${name}_1(${params})`, given)
  const setClock = (now: number) => query("select set_config('heddle.now', $1, false)", [String(now * 1000)])
  yield* query(jobSql("marks", "current_setting('heddle.now')::int8"))
  yield* query("alter table marks.job set (autovacuum_enabled = false)")
  yield* setClock(1)
  let from = Ops.noMark
  const claim = (max: number, mark?: string) =>
    Effect.suspend(() =>
      Effect.map(
        call("claim", "$1, $2, 10000::int8, $3, $4::text::int8[]", [name, max, "me", mark ?? from]),
        (rows) => {
          const taken = Ops.takenOf(rows, { queue: name, max, ttl: 10, owner: "me", wait: false }, 0)
          from = taken.mark
          return taken.jobs
        }
      )
    )
  return {
    query,
    setClock,
    claim,
    /** Claims one: its id. */
    one: Effect.map(claim(1), ([job]) => job?.id),
    add: (...entries: ReadonlyArray<ReturnType<typeof entry>>) =>
      call("enqueue", "$1, $2", Ops.enqueueArgs([{ queue: name, entries }])),
    settle: (jobs: ReadonlyArray<Job.Claimed>, settlement: JobBackend.Settlement) =>
      call("settle", "$1, $2", Ops.settleArgs(jobs.map((held) => ({ held, settlement })))),
    redrive: call("redrive", "$1, null", [name])
  }
})
type Queue = Effect.Success<typeof aQueue>

const failure = { cause: "no" }
const early = entry("early", { priority: 1 })
/** How `early` comes to wait before `c`, when `b` was the last that was claimed. */
const ways: ReadonlyArray<readonly [string, (queue: Queue) => Effect.Effect<unknown, unknown>]> = [
  ["added with a priority", ({ add, one }) => Effect.andThen(one, add(early))],
  ["due", ({ add, one, setClock }) => Effect.all([add(entry("early", { priority: 1, delay: 5 })), one, setClock(6)])],
  ["handed back", ({ add, claim, one, settle }) =>
    Effect.gen(function*() {
      yield* add(early)
      const jobs = yield* claim(1)
      yield* one
      yield* settle(jobs, { _tag: "HandedBack" })
    })],
  ["to be tried again", ({ add, claim, one, settle }) =>
    Effect.gen(function*() {
      yield* add(early)
      const jobs = yield* claim(1)
      yield* one
      yield* settle(jobs, { _tag: "Retry", delay: 0, failure })
    })],
  [
    "no longer claimed, as the time is over",
    ({ add, one, setClock }) => Effect.all([add(early), one, setClock(5), one, setClock(12)])
  ],
  ["alive again", ({ add, claim, one, redrive, settle }) =>
    Effect.gen(function*() {
      yield* add(early)
      yield* settle(yield* claim(1), { _tag: "Dead", failure })
      yield* one
      yield* redrive
    })],
  ["the next of its key", ({ add, claim, one, settle }) =>
    Effect.gen(function*() {
      yield* add(entry("first", { key: "k", priority: 1 }), entry("early", { key: "k", priority: 1 }))
      const jobs = yield* claim(1)
      yield* one
      yield* settle(jobs, done)
    })]
]

describe("a claim on PostgreSQL that begins where the last one did", () => {
  it.live("does not walk over the jobs that were claimed before", () =>
    Effect.gen(function*() {
      const { add, claim, query, settle } = yield* aQueue
      const pagesRead = Effect.map(
        query("select pg_stat_get_xact_blocks_fetched('marks.job_next'::regclass)"),
        ([row]) => Number(row?.[0])
      )
      const entries = Array.from({ length: 5000 }, (_, at) => entry(`${at}`))
      yield* add(...entries)
      yield* settle(yield* claim(4000), done)
      yield* query("begin")
      const start = yield* pagesRead
      const first = yield* claim(20, Ops.noMark)
      const walked = yield* pagesRead
      const second = yield* claim(20)
      const skipped = yield* pagesRead
      assert.deepStrictEqual([...first, ...second].map(({ id }) => id), entries.slice(4000, 4040).map(({ id }) => id))
      assert.isAtMost(skipped - walked, 4)
      assert.isAbove(walked - start, 10)
      yield* query("rollback")
    }).pipe(Effect.scoped))

  for (const [way, come] of ways) {
    it.live(`gets first what came to stand before others: a job that is ${way}`, () =>
      Effect.gen(function*() {
        const queue = yield* aQueue
        yield* queue.add(entry("b"), entry("c"), entry("d"))
        yield* come(queue)
        assert.strictEqual(yield* queue.one, "early")
      }).pipe(Effect.scoped))
  }

  it.effect("may pass over a job whose transaction was open then, for a tenth of a second and only while there are others", () =>
    Effect.gen(function*() {
      const layer = Layer.provideMerge(
        PostgresJobStore.layerTransactional({ url }),
        PgClient.layer({ url: Redacted.make(url), maxConnections: 5 })
      )
      yield* Effect.gen(function*() {
        const store = yield* JobStore.JobStore
        const sql = yield* SqlClient
        const jobs = (...ids: ReadonlyArray<string>) => ids.map((id) => ({ id, payload: new Uint8Array([1]) }))
        const claim = (queue: string, max: number) =>
          Effect.map(store.claim(queue, { max, ttl: "1 minute", waitFor: 0 }), (claimed) => claimed.map(({ id }) => id))
        /** Claims one job while the transaction that has added `late` is open, and commits it. */
        const hide = (queue: string) =>
          Effect.gen(function*() {
            const added = yield* Deferred.make<void>()
            const commit = yield* Deferred.make<void>()
            const open = yield* Effect.forkChild(sql.withTransaction(
              Effect.andThen(
                store.enqueue(queue, jobs("late")),
                Effect.andThen(Deferred.succeed(added, undefined), Deferred.await(commit))
              )
            ))
            yield* Deferred.await(added)
            yield* store.enqueue(queue, jobs("a", "b", "c", "d"))
            assert.deepStrictEqual(yield* claim(queue, 1), ["a"])
            yield* Deferred.succeed(commit, undefined)
            yield* Fiber.join(open)
          })
        yield* hide("while")
        assert.deepStrictEqual(yield* claim("while", 1), ["b"])
        yield* TestClock.adjust(50)
        assert.deepStrictEqual(yield* claim("while", 1), ["c"])
        yield* TestClock.adjust(50)
        assert.deepStrictEqual(yield* claim("while", 1), ["late"])

        yield* hide("others")
        assert.deepStrictEqual(yield* claim("others", 9), ["late", "b", "c", "d"])
      }).pipe(Effect.provide(layer), Effect.scoped)
    }).pipe(Effect.scoped))
})
