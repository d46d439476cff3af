import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Log, LogEntry, LogStore, LogTail } from "heddle/messaging"
import { Deadline } from "heddle/resilience"

const Order = Schema.Struct({ id: Schema.Int, at: Schema.DateFromString })
const orders = Log.make({ name: "orders", payload: Order })
const order = (id: number) => ({ id, at: new Date(id) })
const ids = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at)
const appendAll = (some: ReadonlyArray<number>) => orders.appendAll(some.map(order))
const provided = Effect.provide(LogStore.layerMemory)
const bytes = (text: string) => new TextEncoder().encode(text)
const turns = Effect.forEach(ids(50), () => Effect.yieldNow, { discard: true })

const seen = <E, R>(entries: Stream.Stream<Log.Entry<typeof Order.Type>, E, R>, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(entries, count)), (all) => Array.from(all, ({ value }) => value.id))

/** Consumes in a fiber of its own, and keeps what was handled. */
const consumer = <EU = never, ET = never>(options?: Log.ConsumeOptions<EU, never, ET>, name = "c") =>
  Effect.gen(function*() {
    const handled: Array<number> = []
    const fiber = yield* Effect.forkChild(
      orders.consume(name, ({ value }) => Effect.sync(() => void handled.push(value.id)), options)
    )
    return { handled, fiber }
  })

const errorOf = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.map(
    Fiber.await(fiber),
    (exit) => Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
  )

describe("Log", () => {
  it.effect("tells typed values, first those that are there and then those that come", () =>
    Effect.gen(function*() {
      const offsets = yield* appendAll(ids(4))
      const last = yield* orders.read({ from: { last: 2 } })
      const behind = yield* orders.read({ from: { offset: offsets[3] ?? 0n } })
      const end = yield* orders.read({ from: "end" })
      const five = yield* orders.append(order(5))
      assert.isTrue(five > (offsets[3] ?? 0n))
      assert.deepStrictEqual(yield* seen(yield* orders.read(), 5), [0, 1, 2, 3, 5])
      assert.deepStrictEqual(yield* seen(last, 3), [2, 3, 5])
      assert.deepStrictEqual(yield* seen(behind, 2), [3, 5])
      const [entry] = Array.from(yield* Stream.runCollect(Stream.take(end, 1)))
      assert.deepStrictEqual(entry, { value: order(5), offset: five, time: 0, headers: {} })
    }).pipe(provided))

  it.effect("refuses all of a batch if one cannot be encoded", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(orders.appendAll([order(1), { id: 1.5, at: new Date(0) }]))
      assert.deepInclude(error, { _tag: "InvalidMessage", field: "payload" })
      yield* appendAll([2])
      assert.deepStrictEqual(yield* seen(yield* orders.read(), 1), [2])
    }).pipe(provided))

  it.effect("what cannot be read goes to the sink with its bytes, or ends the stream where the sink fails", () =>
    Effect.gen(function*() {
      const { append } = yield* LogStore.LogStore
      yield* append("orders", [{ payload: bytes("not json"), headers: { from: "elsewhere" } }])
      yield* appendAll([1])
      const found: Array<LogEntry.Undecodable> = []
      const entries = yield* orders.read({ onUndecodable: (one) => Effect.sync(() => void found.push(one)) })
      assert.deepStrictEqual(yield* seen(entries, 1), [1])
      assert.deepInclude(found[0], { log: "orders", offset: 1n, headers: { from: "elsewhere" } })
      assert.deepStrictEqual(found[0]?.payload, bytes("not json"))
      const strict = yield* orders.read({ onUndecodable: Effect.fail })
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(strict)))._tag, "Undecodable")
      assert.deepStrictEqual(yield* seen(yield* orders.read(), 1), [1])
    }).pipe(provided))

  it.effect("carries the trace and the deadline of who appended", () =>
    Effect.gen(function*() {
      const appender = yield* Effect.currentSpan.pipe(
        Effect.tap(orders.append(order(1), { headers: { mine: "1" } })),
        Effect.withSpan("request"),
        Deadline.within("1 second")
      )
      const [entry] = Array.from(yield* Stream.runCollect(Stream.take(yield* orders.read(), 1)))
      if (entry === undefined) return assert.fail("nothing was read")
      assert.strictEqual(entry.headers["mine"], "1")
      const [left, span] = yield* Log.handle(entry)(Effect.all([Deadline.remaining, Effect.currentSpan]))
      assert.deepStrictEqual([left, span.traceId, span.name], [1000, appender.traceId, "Log.handle"])
      const spans: Array<readonly [string, string, number]> = []
      const fiber = yield* Effect.forkChild(
        orders.consume("c", () =>
          Effect.flatMap(Effect.zip(Effect.currentSpan, Deadline.remaining), ([{ name, traceId }, left]) =>
            Effect.sync(() =>
              void spans.push([name, traceId, left])
            ).pipe(Effect.orDie)).pipe(Effect.orDie))
      )
      yield* turns
      assert.deepStrictEqual(spans, [["Log.consume", appender.traceId, Infinity]])
      yield* Fiber.interrupt(fiber)
    }).pipe(provided))
})

describe("Log.consume", () => {
  it.effect("works on all that is behind the position, and the next one goes on from there", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(3))
      const one = yield* consumer()
      yield* turns
      yield* appendAll([3])
      yield* turns
      assert.deepStrictEqual(one.handled, [0, 1, 2, 3])
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(4n))
      yield* Fiber.interrupt(one.fiber)
      yield* appendAll([4, 5])
      const two = yield* consumer()
      const other = yield* consumer({ from: { last: 1 } }, "other")
      yield* turns
      assert.deepStrictEqual([two.handled, other.handled], [[4, 5], [5]])
      yield* Fiber.interruptAll([two.fiber, other.fiber])
    }).pipe(provided))

  it.effect("never moves the position past an entry that is not finished, though later ones are", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(8))
      const gates = yield* Effect.forEach(ids(8), () => Deferred.make<void>())
      const fiber = yield* Effect.forkChild(
        orders.consume("c", ({ value }) => {
          const gate = gates[value.id]
          return gate === undefined ? Effect.void : Deferred.await(gate)
        }, { concurrency: 4 })
      )
      const finish = (id: number) => {
        const gate = gates[id]
        return Effect.andThen(gate === undefined ? Effect.void : Deferred.succeed(gate, undefined), turns)
      }
      const position = Effect.map(orders.position("c"), Option.getOrUndefined)
      yield* turns
      assert.strictEqual(yield* position, 0n)
      for (const id of [1, 3, 4]) yield* finish(id)
      assert.strictEqual(yield* position, 0n)
      yield* finish(0)
      assert.strictEqual(yield* position, 2n)
      yield* finish(5)
      yield* finish(2)
      assert.strictEqual(yield* position, 6n)
      yield* finish(7)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* position, 6n)
      const next = yield* consumer()
      yield* turns
      assert.deepStrictEqual(next.handled, [6, 7])
      yield* Fiber.interrupt(next.fiber)
    }).pipe(provided))

  it.effect("what is finished when it is interrupted, or when a handler fails, is committed", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(4))
      const failing = orders.consume("c", ({ value }) => value.id === 2 ? Effect.fail("no" as const) : Effect.void)
      assert.strictEqual(yield* Effect.flip(failing), "no")
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(2n))
      assert.strictEqual(yield* Effect.flip(failing), "no")
      const one = yield* Effect.forkChild(
        orders.consume("d", ({ value }) => value.id === 3 ? Effect.never : Effect.void)
      )
      yield* turns
      yield* Fiber.interrupt(one)
      assert.deepStrictEqual(yield* orders.position("d"), Option.some(3n))
    }).pipe(provided))

  it.effect("one that was replaced moves nothing, and is told to stop", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(2))
      const gate = yield* Deferred.make<void>()
      const zombie = yield* Effect.forkChild(orders.consume("c", () => Deferred.await(gate)))
      yield* turns
      const two = yield* consumer()
      yield* turns
      assert.deepStrictEqual(two.handled, [0, 1])
      yield* Fiber.interrupt(two.fiber)
      yield* appendAll([2])
      yield* Deferred.succeed(gate, undefined)
      assert.deepInclude(yield* errorOf(zombie), { _tag: "ConsumerReplaced", log: "orders", consumer: "c" })
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(2n))
    }).pipe(provided))

  it.effect("AC-40.3: an entry that is no value counts as finished, or stops the consumer, as is chosen", () =>
    Effect.gen(function*() {
      const { append } = yield* LogStore.LogStore
      yield* appendAll([0])
      yield* append("orders", [{ payload: Uint8Array.of(0xff) }])
      yield* appendAll([1])
      const strict = yield* consumer({ onUndecodable: Effect.fail })
      const error = yield* errorOf(strict.fiber)
      if (!(error instanceof LogEntry.Undecodable)) return assert.fail("it went on")
      assert.deepStrictEqual([error.offset, error.payload], [2n, Uint8Array.of(0xff)])
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(1n))
      const found: Array<LogEntry.Undecodable> = []
      const lax = yield* consumer({ onUndecodable: (one) => Effect.sync(() => void found.push(one)) })
      yield* turns
      assert.deepStrictEqual([lax.handled, found.map(({ offset }) => offset)], [[1], [2n]])
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(3n))
      yield* Fiber.interrupt(lax.fiber)
    }).pipe(provided))

  it.effect("entries behind the position that are gone are told, and it goes on with the oldest if it is let", () =>
    Effect.gen(function*() {
      const short = Log.make({ name: "orders", payload: Order, retention: { count: 2 } })
      yield* short.appendAll(ids(2).map(order))
      const first = yield* consumer()
      yield* turns
      yield* Fiber.interrupt(first.fiber)
      yield* short.appendAll(ids(10, 2).map(order))
      const strict = yield* consumer()
      assert.deepInclude(yield* errorOf(strict.fiber), { _tag: "Trimmed", requested: 3n, oldest: 11n })
      const told: Array<bigint> = []
      const lax = yield* consumer({ onTrimmed: ({ oldest }) => Effect.sync(() => void told.push(oldest)) })
      yield* turns
      assert.deepStrictEqual([lax.handled, told], [[10, 11], [11n]])
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(12n))
      yield* Fiber.interrupt(lax.fiber)
    }).pipe(provided))

  it.effect("a name that begins at the end begins there for whoever comes next, though nothing was finished", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(2))
      const one = yield* consumer({ from: "end" })
      yield* turns
      yield* Fiber.interrupt(one.fiber)
      yield* appendAll([2])
      const two = yield* consumer({ from: "end" })
      yield* turns
      assert.deepStrictEqual(two.handled, [2])
      yield* Fiber.interrupt(two.fiber)
    }).pipe(provided))

  it.effect("no more than 1,024 entries run ahead of one that is not finished", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(3000))
      const gate = yield* Deferred.make<void>()
      let begun = 0
      const fiber = yield* Effect.forkChild(
        orders.consume("c", ({ value }) => {
          begun++
          return value.id === 0 ? Deferred.await(gate) : Effect.void
        }, { concurrency: 10 })
      )
      yield* Effect.forEach(ids(20_000), () => Effect.yieldNow, { discard: true })
      assert.strictEqual(begun, 1024)
      yield* Deferred.succeed(gate, undefined)
      while (Option.getOrUndefined(yield* orders.position("c")) !== 3000n) yield* Effect.yieldNow
      assert.strictEqual(begun, 3000)
      yield* Fiber.interrupt(fiber)
    }).pipe(provided))

  /** A memory store of which so many commits fail. */
  const flaky = (failures: { left: number }) =>
    Layer.provide(
      Layer.effect(
        LogStore.LogStore,
        Effect.map(LogStore.LogStore, (store) => ({
          ...store,
          attach: (log: string, consumer: string) =>
            Effect.map(store.attach(log, consumer), (attached) => ({
              ...attached,
              commit: (offset: bigint) =>
                offset > 0n && failures.left-- > 0
                  ? Effect.fail(new LogEntry.StoreUnavailable({ backend: "memory", message: "away" }))
                  : attached.commit(offset)
            }))
        }))
      ),
      LogStore.layerMemory
    )

  it.effect("while the store cannot be reached a commit is tried again, and nothing is lost", () => {
    const failures = { left: 3 }
    return Effect.gen(function*() {
      yield* appendAll(ids(3))
      const { fiber, handled } = yield* consumer()
      yield* turns
      assert.deepStrictEqual([handled, yield* orders.position("c")], [[0, 1, 2], Option.some(0n)])
      yield* TestClock.adjust("10 seconds")
      yield* turns
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(3n))
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(flaky(failures)))
  })

  it.effect("one that is interrupted between two tries commits once more", () =>
    Effect.gen(function*() {
      yield* appendAll(ids(3))
      const { fiber } = yield* consumer()
      yield* turns
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(0n))
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* orders.position("c"), Option.some(3n))
    }).pipe(Effect.provide(flaky({ left: 1 }))))

  it.effect("a concurrency that means nothing is refused", () =>
    Effect.gen(function*() {
      for (const concurrency of [0, -1, NaN, 1.5, 1001, Infinity]) {
        const error = yield* Effect.flip(orders.consume("c", () => Effect.void, { concurrency }))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "concurrency" })
      }
      assert.deepInclude(yield* Effect.flip(orders.consume("a b", () => Effect.void)), { field: "consumer" })
    }).pipe(provided))
})

describe("LogTail", () => {
  it.effect("reads when it is woken and when a word may be lost, and else asks for nothing", () =>
    Effect.gen(function*() {
      let pages = 0
      let wake = () => {}
      const entry = (offset: bigint) => ({ offset, time: 0, payload: new Uint8Array(0), headers: {} })
      const tail = LogTail.tail({
        recheck: 5000,
        listen: (_, told) => Effect.sync(() => void (wake = told)),
        page: (_, from) => Effect.sync(() => ({ _tag: "Found", entries: pages++ % 2 === 0 ? [] : [entry(from + 1n)] })),
        refusal: () => undefined
      })
      const seen: Array<bigint> = []
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(
          tail("l", { offset: 1n, since: 1n }),
          ({ offset }) => Effect.sync(() => void seen.push(offset))
        )
      )
      yield* turns
      assert.deepStrictEqual([pages, seen], [1, []])
      wake()
      yield* turns
      assert.deepStrictEqual([pages, seen], [3, [2n]])
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(pages, 3)
      yield* TestClock.adjust("1 second")
      yield* turns
      assert.deepStrictEqual([pages, seen], [5, [2n, 4n]])
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("a failure that passes is tried again, and one that does not ends it", () =>
    Effect.gen(function*() {
      let tries = 0
      const refused = new LogEntry.StoreUnavailable({ backend: "memory", message: "no" })
      const tail = LogTail.tail({
        recheck: Infinity,
        listen: () => Effect.void,
        page: () => Effect.fail(++tries < 3 ? "away" : "never"),
        refusal: (error) => error === "never" ? refused : undefined
      })
      const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(tail("l", { offset: 1n, since: 1n }))))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), refused)
      assert.strictEqual(tries, 3)
    }))
})
