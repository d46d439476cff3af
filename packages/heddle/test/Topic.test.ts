import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Broker, RequestReply, Topic } from "heddle/messaging"
import { Deadline } from "heddle/resilience"

const Order = Schema.Struct({ id: Schema.Int, at: Schema.DateFromString })
const orders = Topic.make({ name: "orders", payload: Order })
const order = (id: number) => ({ id, at: new Date(id) })
const provided = Effect.provide(Broker.layerMemory)
const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array) => new TextDecoder().decode(value)

/** The next messages' numbers. */
const ids = <R>({ messages }: Topic.Subscription<typeof Order.Type, R>, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(messages, count)), (all) => Array.from(all, ({ value }) => value.id))

describe("Topic", () => {
  it.effect("tells typed values to all who are there, from the moment when they subscribed", () =>
    Effect.gen(function*() {
      yield* orders.publish(order(0))
      const [one, two] = [yield* orders.subscribe(), yield* orders.subscribe({ at: ">" })]
      yield* orders.publish(order(1))
      yield* orders.publish(order(2), { at: "eu.paris" })
      yield* orders.publishAll([order(3), order(4)])
      const [first] = Array.from(yield* Stream.runCollect(Stream.take(one.messages, 1)))
      assert.deepStrictEqual(first?.value, order(1))
      assert.deepStrictEqual(yield* ids(one, 2), [3, 4])
      assert.deepStrictEqual(yield* ids(two, 1), [2])
    }).pipe(provided))

  it.effect("AC-40.3: what cannot be read goes to the sink with its bytes, and the stream goes on", () =>
    Effect.gen(function*() {
      const broker = yield* Broker.Broker
      const found: Array<Topic.Undecodable> = []
      const one = yield* orders.subscribe({ onUndecodable: (it) => Effect.sync(() => void found.push(it)) })
      const two = yield* orders.subscribe()
      const wrong = ["not json", "{\"id\":\"x\"}", "null"]
      for (const payload of [...wrong.map(bytes), Uint8Array.of(0xff)]) {
        yield* broker.publish([{ subject: "orders", payload, headers: { from: "elsewhere" } }])
      }
      yield* orders.publish(order(7))
      assert.deepStrictEqual(yield* ids(one, 1), [7])
      assert.deepStrictEqual(yield* ids(two, 1), [7])
      assert.deepStrictEqual(found.slice(0, 3).map(({ payload }) => text(payload)), wrong)
      assert.deepStrictEqual(found[3]?.payload, Uint8Array.of(0xff))
      for (const { headers, reason, subject } of found) {
        assert.deepStrictEqual([headers, subject], [{ from: "elsewhere" }, "orders"])
        assert.notStrictEqual(reason, "")
      }
    }).pipe(provided))

  it.effect("its messages are counted: told, heard, and dropped", () =>
    Effect.gen(function*() {
      const one = yield* orders.subscribe({ buffer: 1 })
      yield* orders.subscribe()
      yield* orders.publishAll([order(1), order(2), order(3)])
      assert.deepStrictEqual(yield* ids(one, 1), [3])
      const all = yield* Metric.snapshot
      const counts = all.flatMap(({ attributes, id, state }) =>
        id === "heddle_messages_total"
          ? [[attributes?.["backend"], attributes?.["outcome"], "count" in state && state.count]]
          : []
      )
      assert.deepStrictEqual(counts, [["memory", "published", 3], ["memory", "received", 6], ["memory", "dropped", 2]])
    }).pipe(provided, Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("a message is read once for all who hear it, by each topic with its own schema, also where that takes an effect", () =>
    Effect.gen(function*() {
      let read = 0
      const counted = SchemaGetter.transform((text: string) => {
        read++
        return Number(text)
      })
      const later = SchemaGetter.transformEffect((text: string) => Effect.as(Effect.yieldNow, Number(text) * 2))
      const back = SchemaGetter.transform(String)
      const payload = (decode: SchemaGetter.Getter<number, string>) =>
        Schema.String.pipe(Schema.decodeTo(Schema.Number, { decode, encode: back }))
      const counts = Topic.make({ name: "n", payload: payload(counted) })
      const slow = Topic.make({ name: "n", payload: payload(later) })
      const heard = yield* Effect.all([
        counts.subscribe(),
        counts.subscribe({ at: ">" }),
        counts.subscribe(),
        slow.subscribe(),
        slow.subscribe()
      ])
      yield* counts.publishAll([1, 2])
      const values = yield* Effect.forEach(
        heard.filter((_, at) => at !== 1),
        ({ messages }) =>
          Effect.map(Stream.runCollect(Stream.take(messages, 2)), (all) => all.map(({ value }) => value))
      )
      assert.deepStrictEqual(values, [[1, 2], [1, 2], [2, 4], [2, 4]])
      assert.strictEqual(read, 2)
    }).pipe(provided))

  it.effect("refuses all of a batch if one cannot be encoded", () =>
    Effect.gen(function*() {
      const one = yield* orders.subscribe()
      const error = yield* Effect.flip(orders.publishAll([order(1), { id: 1.5, at: new Date(0) }]))
      assert.deepInclude(error, { _tag: "InvalidMessage", field: "payload" })
      yield* orders.publish(order(2))
      assert.deepStrictEqual(yield* ids(one, 1), [2])
    }).pipe(provided))

  it.effect("tells one member of a group, and gaps among the events", () =>
    Effect.gen(function*() {
      const members = [yield* orders.join("workers"), yield* orders.join("workers")]
      const slow = yield* orders.subscribe({ buffer: 1 })
      yield* orders.publishAll([1, 2, 3, 4].map(order))
      const heard = yield* Effect.forEach(members, (one) => ids(one, 2))
      assert.deepStrictEqual(heard, [[1, 3], [2, 4]])
      const events = yield* Stream.runCollect(Stream.take(slow.events, 2))
      assert.deepStrictEqual(
        Array.from(events, (event) => event._tag === "Gap" ? event : event.value.id),
        [{ _tag: "Gap", cause: "SlowSubscriber", lost: 3 }, 4]
      )
    }).pipe(provided))

  it.effect("carries the publisher's trace and deadline to who handles the message", () =>
    Effect.gen(function*() {
      const { messages } = yield* orders.subscribe()
      const publisher = yield* Effect.currentSpan.pipe(
        Effect.tap(orders.publish(order(1), { headers: { mine: "1" } })),
        Effect.withSpan("request"),
        Deadline.within("1 second")
      )
      const [received] = Array.from(yield* Stream.runCollect(Stream.take(messages, 1)))
      if (received === undefined) return assert.fail("nothing was told")
      assert.strictEqual(received.headers["mine"], "1")
      const look = Effect.all([Deadline.remaining, Effect.currentSpan])
      const [left, span] = yield* Topic.handle(received)(look)
      assert.strictEqual(left, 1000)
      assert.strictEqual(span.traceId, publisher.traceId)
      const late = yield* Effect.forkChild(Effect.flip(Topic.handle(received)(Effect.never)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(late))._tag, "DeadlineExceeded")
    }).pipe(provided))
})

describe("RequestReply", () => {
  const Division = Schema.Struct({ a: Schema.Finite, b: Schema.Finite })
  const division = RequestReply.make({
    name: "division",
    request: Division,
    reply: Schema.Finite,
    error: Schema.Literal("by zero")
  })
  const divide = division.answer(({ a, b }) => b === 0 ? Effect.fail("by zero" as const) : Effect.succeed(a / b))

  it.effect("AC-36.6: an answer, or a typed failure, comes back to who asked", () =>
    Effect.gen(function*() {
      yield* divide
      assert.strictEqual(yield* division.ask({ a: 6, b: 3 }), 2)
      assert.strictEqual(yield* Effect.flip(division.ask({ a: 6, b: 0 })), "by zero")
      const many = yield* Effect.forEach([1, 2, 3, 4], (b) => division.ask({ a: 12, b }), { concurrency: "unbounded" })
      assert.deepStrictEqual(many, [12, 6, 4, 3])
    }).pipe(provided))

  it.effect("goes on answering when somebody interrupts the fiber of a handler, or a handler interrupts itself", () =>
    Effect.gen(function*() {
      let asked = 0
      yield* division.answer(({ a, b }) => {
        switch (asked++) {
          case 0:
            return Effect.withFiber((fiber) => Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()), Effect.never))
          case 1:
            return Effect.interrupt
          default:
            return Effect.succeed(a / b)
        }
      }, { concurrency: 2 })
      const noReply = new RequestReply.NoReply({ name: "division", reason: "Died" })
      assert.deepStrictEqual(yield* Effect.flip(division.ask({ a: 1, b: 1 })), noReply)
      assert.deepStrictEqual(yield* Effect.flip(division.ask({ a: 1, b: 1 })), noReply)
      assert.strictEqual(yield* division.ask({ a: 6, b: 3 }), 2)
      assert.strictEqual(yield* division.ask({ a: 6, b: 2 }), 3)
      assert.strictEqual(yield* division.ask({ a: 6, b: 1 }), 6)
    }).pipe(provided))

  it.effect("of all who answer one is asked", () =>
    Effect.gen(function*() {
      let asked = 0
      const count = division.answer(({ a }) => Effect.as(Effect.sync(() => asked++), a))
      yield* count
      yield* count
      assert.strictEqual(yield* division.ask({ a: 6, b: 1 }), 6)
      assert.strictEqual(asked, 1)
    }).pipe(provided))

  it.effect("who is not answered in time is told so, and when who answers died", () =>
    Effect.gen(function*() {
      const silent = yield* Effect.forkChild(Effect.flip(division.ask({ a: 1, b: 1 })))
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Fiber.join(silent), { _tag: "NoReply", reason: "Timeout" })
      yield* division.answer(() => Effect.die("no"))
      assert.deepInclude(yield* Effect.flip(division.ask({ a: 1, b: 1 })), { _tag: "NoReply", reason: "Died" })
    }).pipe(provided))

  it.effect("an answer has the time that is left to who asked", () =>
    Effect.gen(function*() {
      let left = 0
      yield* division.answer(() => Effect.map(Deadline.remaining, (found) => left = found))
      yield* division.ask({ a: 1, b: 1 }, { timeout: "2 seconds" })
      assert.strictEqual(left, 2000)
    }).pipe(provided))

  it.effect("a timeout or a concurrency that means nothing is refused", () =>
    Effect.gen(function*() {
      for (const timeout of [0, -1, NaN, Infinity]) {
        const error = yield* Effect.flip(division.ask({ a: 1, b: 1 }, { timeout }))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "timeout" })
      }
      const exit = yield* Effect.exit(division.answer(() => Effect.succeed(1), { concurrency: 0 }))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(provided))

  it.effect("nothing of a question is left behind", () =>
    Effect.gen(function*() {
      const context = yield* Effect.context<Broker.Broker | Broker.BrokerGroups>()
      const broker = Context.get(context, Broker.Broker)
      yield* divide
      const replies = yield* broker.subscribe("_reply.*")
      yield* division.ask({ a: 6, b: 3 })
      assert.strictEqual((yield* replies.stats).received, 1)
    }).pipe(provided))
})
