import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { brokerLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker } from "heddle/messaging"
import { PostgresBroker } from "../src/index.ts"
import * as PostgresTest from "./PostgresTest.ts"
import { eventually, inTime } from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const

brokerLaws("postgres", PostgresBroker.layer(options), {
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const broker = (more: Partial<PostgresBroker.Options> = {}) =>
  Effect.map(Layer.build(Layer.fresh(PostgresBroker.layer({ ...options, ...more }))), Context.get(Broker.Broker))

const message = (subject: string, text: string) => ({ subject, payload: new TextEncoder().encode(text) })

/** The next messages as text; a gap fails. */
const texts = ({ events }: Broker.Subscription, count: number) =>
  Effect.map(
    inTime(Stream.runCollect(Stream.take(events, count))),
    (all) => all.map((one) => one._tag === "Message" ? new TextDecoder().decode(one.payload) : one.cause)
  )

const listeners = Effect.map(
  admin("select pid from pg_stat_activity where query like 'LISTEN \"heddle_topic_%'"),
  (rows) => rows.length
)

describe("a broker on PostgreSQL", () => {
  it.live("keeps messages in pieces apart and whole, also those of many publishers at once", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* broker(), yield* broker()]
      const subscription = yield* one.subscribe("pieces.*")
      const long = Array.from({ length: 20 }, (_, at) => String(at % 10).repeat(5_900 + at * 1_000))
      const publish = (on: typeof one, name: string) =>
        Effect.forEach(long, (text) => on.publish([message(name, text)]), { concurrency: "unbounded" })
      yield* Effect.all([publish(one, "pieces.a"), publish(two, "pieces.b")], { concurrency: "unbounded" })
      assert.deepStrictEqual((yield* texts(subscription, 40)).toSorted(), [...long, ...long].toSorted())
    }))

  it.live("tells equal messages as often as they were published together", () =>
    Effect.gen(function*() {
      const one = yield* broker()
      const subscription = yield* one.subscribe("equal")
      yield* one.publish(Array.from({ length: 5 }, () => message("equal", "same")))
      yield* Effect.forEach([1, 2, 3], () => one.publish([message("equal", "same")]), { concurrency: "unbounded" })
      yield* one.publish([message("equal", "last")])
      assert.deepStrictEqual(yield* texts(subscription, 9), [...Array.from({ length: 8 }, () => "same"), "last"])
    }))

  it.live("sends more than a statement has room for in order", () =>
    Effect.gen(function*() {
      const one = yield* broker()
      const subscription = yield* one.subscribe("many")
      const all = Array.from({ length: 9 }, (_, at) => String(at).repeat(900_000))
      yield* one.publish(all.map((text) => message("many", text)))
      assert.deepStrictEqual((yield* texts(subscription, 9)).map((text) => text[0]), all.map((text) => text[0]))
    }))

  it.live("listens with one session, while somebody is subscribed", () =>
    Effect.gen(function*() {
      const one = yield* broker()
      yield* eventually(Effect.map(listeners, (now) => now === 0))
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Effect.forEach([1, 2, 3], () => one.subscribe("quiet"), { concurrency: "unbounded" })
        assert.strictEqual(yield* listeners, 1)
      }))
      yield* eventually(Effect.map(listeners, (now) => now === 0))
    }))

  it.live("keeps brokers of other names apart, and does not mind what others notify", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* broker(), yield* broker({ name: "x".repeat(100) })]
      const [here, there] = [yield* one.subscribe("name"), yield* other.subscribe("name")]
      const [[channel] = []] = yield* admin(
        "select substring(query from 'heddle_topic_[0-9a-f]+') from pg_stat_activity where query like 'LISTEN %topic%'"
      )
      for (
        const noise of [
          "",
          "hello",
          "0,0,1 nothing",
          "0,1,2 end",
          "0,0,1 {}\nabc",
          "0,1,1 [\"name\",{}]\nAAAA",
          "0,0,2 begin"
        ]
      ) {
        yield* admin("select pg_notify($1, $2)", [channel, noise])
      }
      yield* one.publish([message("name", "here")])
      yield* other.publish([message("name", "there")])
      assert.deepStrictEqual([yield* texts(here, 1), yield* texts(there, 1)], [["here"], ["there"]])
    }))

  it.live("does not subscribe, and says so, while the server stands still", () =>
    Effect.gen(function*() {
      const one = yield* broker({ commandTimeout: "500 millis", connectTimeout: "500 millis" })
      yield* one.subscribe("still")
      yield* server.stop
      const error = yield* Effect.ensuring(
        inTime(Effect.flip(Effect.scoped(one.subscribe("still")))),
        Effect.orDie(server.continue)
      )
      assert.strictEqual(error._tag, "StoreUnavailable")
    }))

  it.live("tells a message whose answer was lost once, and says that it may have", () =>
    Effect.gen(function*() {
      const [one, other] = [yield* broker(), yield* broker({ url: server.url })]
      const subscription = yield* other.subscribe("unanswered")
      let lost = false
      const executed = yield* proxy.dropReply((chunk) => chunk.includes("unanswered") && !lost && (lost = true))
      const failing = yield* Effect.forkChild(Effect.flip(one.publish([message("unanswered", "1")])))
      yield* inTime(executed)
      yield* proxy.heal
      assert.strictEqual((yield* inTime(Fiber.join(failing)))._tag, "StoreUnavailable")
      yield* other.publish([message("unanswered", "2")])
      assert.deepStrictEqual(yield* texts(subscription, 2), ["1", "2"])
    }))

  it.live("publishes through a pooler of transactions, and hears only with the server's own address", () =>
    Effect.gen(function*() {
      const pooler = yield* Servers.pgbouncer(server, "transaction")
      const deaf = yield* broker({ url: pooler.url })
      const error = yield* Effect.flip(Effect.scoped(deaf.subscribe("pooled")))
      assert.match(error.message, /directUrl/)
      const hears = yield* broker({ url: pooler.url, directUrl: server.url })
      const subscription = yield* hears.subscribe("pooled")
      yield* deaf.publish([message("pooled", "1")])
      assert.deepStrictEqual(yield* texts(subscription, 1), ["1"])
    }))

  it.live("does not subscribe, and says why, where it hears another database than it tells", () =>
    Effect.gen(function*() {
      yield* admin("create database elsewhere")
      const directUrl = server.url.replace(/\/[^/]*$/, "/elsewhere")
      const one = yield* broker({ directUrl, commandTimeout: "300 millis" })
      const error = yield* inTime(Effect.flip(Effect.scoped(one.subscribe("elsewhere"))))
      assert.match(error.message, /directUrl leads to the same database/)
    }))
})
