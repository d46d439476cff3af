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
import { type JobAbility, JobStore, WorkQueue } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { PostgresJobStore } from "../src/index.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { url } = await Effect.runPromise(Scope.provide(Servers.postgres, scope))

const layer = Layer.provideMerge(
  PostgresJobStore.layerTransactional({ url }),
  PgClient.layer({ url: Redacted.make(url), maxConnections: 5 })
)

class Refused extends Schema.TaggedError<Refused>()("Refused", {}) {}

const aQueue = () =>
  WorkQueue.make({ name: randomUUID(), payload: Schema.String, success: Schema.String, error: Schema.Unknown })

type Needs = JobStore.All | JobAbility.Transactional | SqlClient | Scope.Scope

const test = <A, E>(title: string, body: Effect.Effect<A, E, Needs>) =>
  it.live(title, () => body.pipe(Effect.scoped, Effect.provide(layer)))

/** How often this process has counted which outcome. */
const outcomes = (queue: string) =>
  Effect.map(
    Metric.snapshot,
    (all) =>
      Object.fromEntries(all.flatMap((one) =>
        one.type === "Counter" && one.id === "heddle_jobs_total" && one.attributes?.["queue"] === queue
          ? [[one.attributes["outcome"] ?? "", Number(one.state.count)]]
          : []
      ))
  )

/** A table of the app. */
const aTable = Effect.gen(function*() {
  const sql = yield* SqlClient
  const name = `t_${randomUUID().replaceAll("-", "")}`
  yield* sql`create table ${sql(name)} (v text)`
  return {
    sql,
    write: (v: string) => sql`insert into ${sql(name)} values (${v})`,
    rows: Effect.map(sql<{ v: string }>`select v from ${sql(name)} order by v`, (rows) => rows.map(({ v }) => v))
  }
})

describe("an enqueue in a transaction of the app", () => {
  test(
    "is there with what the app wrote when that is committed, and wakes who waits then",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      const store = yield* JobStore.JobStore
      const waiting = yield* Effect.forkChild(store.claim(queue.name, { waitFor: Infinity }))
      const enqueued = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const transaction = yield* Effect.forkChild(sql.withTransaction(Effect.gen(function*() {
        yield* write("a")
        const { added } = yield* queue.enqueue("a", { id: "a" })
        const again = yield* queue.enqueueAll(["a", "b"], (id) => ({ id }))
        yield* Deferred.succeed(enqueued, undefined)
        yield* Deferred.await(commit)
        return [added, ...again.map(({ added }) => added)]
      })))
      yield* Deferred.await(enqueued)
      assert.strictEqual((yield* queue.stats).waiting, 0)
      assert.isUndefined(waiting.pollUnsafe())
      yield* Deferred.succeed(commit, undefined)
      assert.deepStrictEqual(yield* inTime(Fiber.join(transaction)), [true, false, true])
      assert.deepStrictEqual((yield* inTime(Fiber.join(waiting))).map(({ id }) => id), ["a"])
      assert.deepStrictEqual(yield* rows, ["a"])
    })
  )

  test(
    "is not there when that is rolled back, and neither is what a savepoint takes back",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      const failing = Effect.andThen(write("no"), Effect.andThen(queue.enqueue("no"), Effect.fail(new Refused())))
      yield* Effect.flip(sql.withTransaction(failing))
      assert.strictEqual((yield* queue.stats).waiting, 0)
      yield* sql.withTransaction(Effect.andThen(Effect.flip(sql.withTransaction(failing)), queue.enqueue("yes")))
      assert.deepStrictEqual([(yield* queue.stats).waiting, yield* rows], [1, []])
    })
  )
})

describe("a completion in the transaction of its handler", () => {
  test(
    "is there with the writes, and brings its result",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      yield* queue.process((v, task) =>
        sql.withTransaction(Effect.andThen(write(v), Effect.as(task.complete(`<${v}>`), `<${v}>`)))
      )
      assert.strictEqual(yield* inTime(queue.enqueueAndAwait("a")), "<a>")
      assert.deepStrictEqual(yield* rows, ["a"])
      // Once, and not as lost, although the worker tells of it as well.
      yield* eventually(Effect.map(outcomes(queue.name), (all) => all["Completed"] === 1 && all["lost"] === 0))
    })
  )

  test(
    "is taken back with the writes when the handler fails after it, and the job is tried again",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      yield* queue.process((_, task) =>
        sql.withTransaction(Effect.gen(function*() {
          yield* write(`attempt ${task.attempt}`)
          yield* task.complete("done")
          return task.attempt === 1 ? yield* new Refused() : "done"
        })), { retry: Schedule.spaced(1) })
      assert.strictEqual(yield* inTime(queue.enqueueAndAwait("a")), "done")
      assert.deepStrictEqual(yield* rows, ["attempt 2"])
    })
  )

  test(
    "that was rolled back though the handler succeeds is made up for",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      yield* queue.process((v, task) =>
        sql.withTransaction(Effect.andThen(write(v), Effect.andThen(task.complete(""), Effect.fail(new Refused()))))
          .pipe(
            Effect.catch(() => Effect.succeed("rolled back"))
          )
      )
      assert.strictEqual(yield* inTime(queue.enqueueAndAwait("a")), "rolled back")
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  test(
    "of a worker that has lost its claim is refused, and takes its writes back",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      const store = yield* JobStore.JobStore
      yield* queue.enqueue("a")
      const [zombie] = yield* store.claim(queue.name, { ttl: 500 })
      const [other] = yield* inTime(store.claim(queue.name, { waitFor: Infinity }))
      if (zombie === undefined || other === undefined) return assert.fail()
      const complete = (job: typeof zombie) =>
        sql.withTransaction(
          Effect.andThen(write(`attempt ${job.attempt}`), store.settle(job, { _tag: "Completed" }))
        )
      assert.strictEqual((yield* Effect.flip(complete(zombie)))._tag, "LeaseLost")
      assert.deepStrictEqual(yield* rows, [])
      assert.strictEqual(yield* complete(other), "Completed")
      assert.deepStrictEqual(yield* rows, ["attempt 2"])
    })
  )

  test(
    "fails in a handler that does not know yet that its claim is over, with its writes",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      const another = yield* Layer.build(PostgresJobStore.layer({ url }))
      const told = yield* Deferred.make<string>()
      yield* queue.process((v, task) =>
        Effect.gen(function*() {
          yield* Effect.provide(queue.cancel(task.id), another)
          const error = yield* Effect.flip(sql.withTransaction(Effect.andThen(write(v), task.complete(v))))
          yield* Deferred.succeed(told, error._tag)
          return v
        })
      )
      yield* queue.enqueue("a")
      assert.strictEqual(yield* inTime(Deferred.await(told)), "LeaseLost")
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  test(
    "is nobody else's while it is not committed, also when its claim runs out meanwhile",
    Effect.gen(function*() {
      const queue = aQueue()
      const { rows, sql, write } = yield* aTable
      const store = yield* JobStore.JobStore
      yield* queue.enqueue("a")
      const [job] = yield* store.claim(queue.name, { ttl: 500 })
      if (job === undefined) return assert.fail()
      const others = yield* sql.withTransaction(Effect.gen(function*() {
        yield* write("a")
        yield* store.settle(job, { _tag: "Completed" })
        return yield* store.claim(queue.name, { waitFor: "1500 millis" })
      }))
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(yield* rows, ["a"])
      assert.deepStrictEqual(yield* store.claim(queue.name, { waitFor: 0 }), [])
    })
  )
})
