import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { Telemetry } from "heddle/observability"
import { randomUUID } from "node:crypto"
import { Postgres, PostgresOutbox } from "../src/index.ts"
import { adminOf, eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { url } = await Effect.runPromise(Scope.provide(Servers.postgres, scope))
const admin = adminOf(url)

const layer = Layer.mergeAll(
  Postgres.layer({ url }),
  PgClient.layer({ url: Redacted.make(url), maxConnections: 10 })
)

const test = <A, E>(title: string, body: Effect.Effect<A, E, Postgres.Postgres | SqlClient | Scope.Scope>) =>
  it.live(title, () => body.pipe(Effect.scoped, Effect.provide(layer)))

const anOutbox = () => PostgresOutbox.make({ name: randomUUID(), payload: Schema.Int })

/** Notes what is sent. */
const receiver = () => {
  const got: Array<number> = []
  const ids: Array<string> = []
  const send = (value: number, { id }: { readonly id: string }): Effect.Effect<void, string> =>
    Effect.sync(() => {
      got.push(value)
      ids.push(id)
    })
  return { got, ids, send, until: (count: number) => eventually(Effect.sync(() => got.length >= count)) }
}

const left = (name: string) =>
  Effect.map(admin("select count(*)::int4 from heddle.outbox where name = $1", [name]), ([row]) => Number(row?.[0]))
const within = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient, (sql) => sql.withTransaction(effect))

describe("an outbox", () => {
  test(
    "sends what was committed, each once and in the order of who added it, and nothing that was rolled back",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const { got, ids, send, until } = receiver()
      yield* outbox.relay(send, { batch: 7 })
      const adding = Effect.forEach(
        [0, 1, 2, 3],
        (who) =>
          Effect.forEach(Array.from({ length: 25 }, (_, n) => n), (n) =>
            n % 5 === 4
              ? Effect.flip(within(Effect.andThen(outbox.add([-1]), Effect.fail("no"))))
              : within(outbox.add([who * 1000 + n * 2, who * 1000 + n * 2 + 1]))),
        { concurrency: "unbounded" }
      )
      yield* inTime(adding)
      yield* until(160)
      yield* eventually(Effect.map(left(outbox.name), (rows) => rows === 0))
      assert.strictEqual(new Set(ids).size, 160)
      assert.strictEqual(got.length, 160)
      for (const who of [0, 1, 2, 3]) {
        const own = got.filter((n) => Math.floor(n / 1000) === who)
        assert.deepStrictEqual(own, own.toSorted((one, other) => one - other))
      }
    })
  )

  test(
    "sends nothing before what an earlier transaction may still add",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const { got, send, until } = receiver()
      yield* outbox.add([0])
      yield* outbox.relay(send)
      yield* until(1)
      const added = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const slow = within(
        Effect.gen(function*() {
          yield* outbox.add([1])
          yield* Deferred.succeed(added, undefined)
          yield* Deferred.await(commit)
        })
      )
      const fiber = yield* Effect.forkChild(slow)
      yield* Deferred.await(added)
      yield* outbox.add([2])
      // Long enough to send it, if it were sent.
      yield* Effect.sleep("300 millis")
      yield* Deferred.succeed(commit, undefined)
      yield* Fiber.join(fiber)
      yield* until(3)
      assert.deepStrictEqual(got, [0, 1, 2])
    })
  )

  test(
    "sends nothing before what its transaction had seen, whichever of the two began to write first",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const { got, send, until } = receiver()
      const sql = yield* SqlClient
      yield* outbox.add([0])
      yield* outbox.relay(send)
      yield* until(1)
      /** A transaction that has begun to write, and does the rest when it is told to. */
      const begun = <E>(rest: Effect.Effect<void, E, SqlClient>) =>
        Effect.gen(function*() {
          const writes = yield* Deferred.make<void>()
          const go = yield* Deferred.make<void>()
          const fiber = yield* Effect.forkChild(within(Effect.gen(function*() {
            yield* sql`select pg_current_xact_id()`
            yield* Deferred.succeed(writes, undefined)
            yield* Deferred.await(go)
            yield* rest
          })))
          yield* Deferred.await(writes)
          return Effect.andThen(Deferred.succeed(go, undefined), Fiber.join(fiber))
        })
      const early = yield* begun(outbox.add([2]))
      const open = yield* begun(Effect.void)
      yield* outbox.add([1])
      yield* early
      // Long enough to send it, if it were sent.
      yield* Effect.sleep("300 millis")
      yield* open
      yield* until(3)
      assert.deepStrictEqual(got, [0, 1, 2])
    })
  )

  test(
    "sends again what could not be sent, with the same id and before all that is behind it",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const { got, ids, send, until } = receiver()
      let failures = 3
      yield* outbox.add([1, 2, 3])
      yield* outbox.relay((value, row) =>
        Effect.andThen(
          send(value, row),
          Effect.suspend(() => value === 2 && failures-- > 0 ? Effect.fail("away") : Effect.void)
        )
      )
      yield* until(6)
      assert.deepStrictEqual(got, [1, 2, 2, 2, 2, 3])
      assert.strictEqual(new Set(ids).size, 3)
    })
  )

  test(
    "is moved by one of many, and by the next when that ends; what was sent is not sent again",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const one = receiver()
      const other = receiver()
      const first = yield* Scope.make()
      yield* Scope.provide(outbox.relay(one.send), first)
      yield* outbox.add([1])
      yield* one.until(1)
      yield* outbox.relay(other.send)
      // It stands by: what it has asked last is whether it may.
      const standing =
        "select count(*)::int4 from pg_stat_activity where query like '%try_advisory_lock%' and pid <> pg_backend_pid()"
      yield* eventually(Effect.map(admin(standing), ([row]) => row?.[0] === 1))
      yield* outbox.add([2, 3])
      yield* one.until(3)
      yield* Scope.close(first, Exit.void)
      yield* outbox.add([4])
      yield* other.until(1)
      assert.deepStrictEqual([one.got, other.got], [[1, 2, 3], [4]])
    })
  )

  test(
    "goes on when its session is lost, and loses nothing",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const { got, send, until } = receiver()
      const holds = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      yield* outbox.add([1, 2])
      yield* outbox.relay((value, row) =>
        value === 2
          ? Effect.andThen(Deferred.succeed(holds, undefined), Effect.andThen(Deferred.await(go), send(value, row)))
          : send(value, row)
      )
      yield* Deferred.await(holds)
      yield* admin(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()"
      )
      yield* Deferred.succeed(go, undefined)
      yield* until(2)
      yield* outbox.add([3])
      yield* eventually(Effect.sync(() => got.at(-1) === 3))
      assert.deepStrictEqual([...new Set(got)], [1, 2, 3])
      yield* eventually(Effect.map(left(outbox.name), (rows) => rows === 0))
    })
  )

  test(
    "loses nothing when its relay is interrupted at any step of a send, and sends again what was on its way, first",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const all = Array.from({ length: 12 }, (_, value) => value)
      const { got, send } = receiver()
      yield* outbox.add(all)
      // Before the send, in the middle and behind it, each as the first that a relay comes to or a later one.
      for (let last = 1; last <= 9; last++) {
        const stop = yield* Deferred.make<void>()
        let steps = 0
        const step = Effect.suspend(() => {
          if (++steps === last) Deferred.doneUnsafe(stop, Exit.void)
          return steps >= last ? Effect.never : Effect.yieldNow
        })
        yield* Effect.scoped(Effect.andThen(
          outbox.relay((value, row) =>
            step.pipe(Effect.andThen(send(value, row)), Effect.andThen(step), Effect.andThen(step))
          ),
          inTime(Deferred.await(stop))
        ))
      }
      yield* outbox.relay(send)
      yield* eventually(Effect.map(left(outbox.name), (rows) => rows === 0))
      assert.deepStrictEqual(got.filter((value, at) => value !== got[at - 1]), all)
      // Of the nine, those that were stopped behind the send.
      assert.strictEqual(got.length, all.length + 6)
    })
  )

  test(
    "AC-40.3: sets aside what does not decode, with its text and why, and goes on",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const { got, send, until } = receiver()
      const older = PostgresOutbox.make({ name: outbox.name, payload: Schema.String })
      yield* older.add(["old"])
      yield* outbox.add([1])
      yield* outbox.relay(send)
      yield* until(1)
      assert.deepStrictEqual(got, [1])
      const [row] = yield* admin("select payload, refused from heddle.outbox where name = $1", [outbox.name])
      assert.strictEqual(row?.[0], "\"old\"")
      assert.include(String(row?.[1]), "Expected")
    })
  )

  test(
    "counts what became of its rows, as the catalogue has it",
    Effect.gen(function*() {
      const outbox = anOutbox()
      const older = PostgresOutbox.make({ name: outbox.name, payload: Schema.String })
      yield* older.add(["old"])
      yield* outbox.add([1, 2])
      const { send, until } = receiver()
      let failing = 1
      const failsOnce: typeof send = (value, row) => failing-- > 0 ? Effect.fail("not now") : send(value, row)
      yield* outbox.relay(failsOnce, { retry: Schedule.recurs(0) })
      yield* until(2)
      yield* eventually(Effect.map(left(outbox.name), (rows) => rows === 1))
      const all = yield* Metric.snapshot
      const series = all.filter(({ id }) => id === "heddle_outbox_rows_total")
      const row = Telemetry.metrics.find(({ name }) => name === "heddle_outbox_rows_total")
      assert.deepStrictEqual(
        Object.fromEntries(series.map(({ attributes, state }) => [attributes?.["outcome"], state])),
        Object.fromEntries([["refused", 1], ["failed", 1], ["sent", 2]].map(([outcome, count]) => [
          outcome,
          { count, incremental: true }
        ]))
      )
      for (const { attributes = {}, description } of series) {
        assert.strictEqual(description, row?.description)
        assert.deepStrictEqual(Object.keys(attributes).toSorted(), Object.keys(row?.labels ?? {}).toSorted())
        assert.strictEqual(attributes["outbox"], outbox.name)
      }
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  test(
    "refuses a batch that means nothing, before anything starts",
    Effect.gen(function*() {
      for (const batch of [0, -1, 1.5, NaN, 10_001]) {
        const error = yield* Effect.flip(anOutbox().relay(() => Effect.void, { batch }))
        assert.strictEqual(error._tag, "InvalidOption")
      }
    })
  )
})
