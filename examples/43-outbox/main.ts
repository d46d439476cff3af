// Orders are paid in PostgreSQL, and a topic elsewhere tells of it: of each order that was paid, and of no other.
//   node --conditions=@heddle/source examples/43-outbox/main.ts [memory|nats|redis]      (HEDDLE_POSTGRES_URL, or localhost)
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { PgClient } from "@effect/sql-pg"
import { Postgres, PostgresOutbox } from "@heddle/postgres"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { type Broker, Topic } from "heddle/messaging"
import { fileURLToPath } from "node:url"

const Paid = Schema.Struct({ order: Schema.Int, cents: Schema.Int })
const topic = Topic.make({ name: "paid", payload: Paid })
const outbox = PostgresOutbox.make({ name: "paid", payload: Paid })

class Declined extends Schema.TaggedError<Declined>()("Declined", { order: Schema.Int }) {}

/** Takes the money, and says so in the same transaction. A card may be declined at the last moment. */
const pay = (order: number) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient
    yield* sql`insert into payment (ref, cents) values (${order}, ${order * 100})`
    yield* outbox.add([{ order, cents: order * 100 }])
    if (order % 5 === 0) return yield* new Declined({ order })
  }).pipe((payment) => Effect.flatMap(SqlClient, (sql) => sql.withTransaction(payment)))

/** What was paid and what was told, with a relay that is stopped in the middle and another that goes on. */
export const scene = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`create table if not exists payment (ref int4 primary key, cents int4 not null)`
  yield* sql`truncate payment`
  const told = new Map<string, number>()
  let copies = 0
  const { events } = yield* topic.subscribe({ buffer: Infinity })
  yield* Effect.forkScoped(Stream.runForEach(events, (event) =>
    Effect.sync(() => {
      if (event._tag !== "Message") return
      // At least once: who has seen the id has seen the event.
      const id = event.headers["id"] ?? ""
      if (told.has(id)) copies++
      else told.set(id, event.value.order)
    })))

  const relay = outbox.relay((event, { id }) => topic.publish(event, { headers: { id } }), { batch: 10 })
  const first = yield* Scope.make()
  yield* Scope.provide(relay, first)
  const orders = Array.from({ length: 50 }, (_, n) => n + 1)
  const paying = Effect.forEach(orders, (order) => Effect.ignore(pay(order)), { concurrency: 5 })
  yield* Effect.all([paying, Effect.andThen(heard(told, 10), Scope.close(first, Exit.void))], { concurrency: 2 })
  yield* relay

  const paid = (yield* sql<{ ref: number }>`select ref from payment order by ref`).map(({ ref }) => ref)
  yield* heard(told, paid.length)
  return { paid, told: [...told.values()], copies }
}).pipe(Effect.scoped)

const heard = (told: ReadonlyMap<string, number>, count: number) =>
  Effect.repeat(Effect.sync(() => told.size >= count), { until: (yes) => yes, schedule: Schedule.spaced("5 millis") })

/** The database of the app, and Heddle's sessions on it. */
export const database = (url: string) =>
  Layer.merge(Postgres.layer({ url }), PgClient.layer({ url: Redacted.make(url), maxConnections: 5 }))

/** Where the events can pass. Only the one that is asked for is loaded. */
const backends: Readonly<Record<string, () => Promise<{ readonly layer: Layer.Layer<Broker.Broker, Error> }>>> = {
  memory: () => import("./memory.ts"),
  nats: () => import("./nats.ts"),
  redis: () => import("./redis.ts")
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const load = backends[backend] ?? (() => Promise.reject(new Error(`memory, nats or redis, not ${backend}`)))
  const url = process.env["HEDDLE_POSTGRES_URL"] ?? "postgres://localhost/postgres"
  NodeRuntime.runMain(Effect.gen(function*() {
    const { layer } = yield* Effect.promise(load)
    const { copies, paid, told } = yield* Effect.provide(scene, [layer, database(url)])
    yield* Console.log(`${paid.length} of 50 orders were paid, ${told.length} were told of, ${copies} of them twice`)
  }))
}
