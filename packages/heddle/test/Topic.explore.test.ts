import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker, BrokerAbility, type Message, Topic } from "heddle/messaging"

const all = { concurrency: "unbounded" } as const
const topic = Topic.make({ name: "t", payload: Schema.Struct({ by: Schema.Int, n: Schema.Int }) })
type Value = { readonly by: number; readonly n: number }
const each = 4

const publisher = (by: number) =>
  Effect.forEach(
    Array.from({ length: each }, (_, n) => n),
    (n) => Effect.andThen(Effect.yieldNow, topic.publish({ by, n })),
    {
      discard: true
    }
  )

/** What a subscriber heard, and how many it was told that it lost. */
const listen = (whenFull: Message.WhenFull) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const subscription = yield* topic.subscribe({ buffer: 2, whenFull }).pipe(Scope.provide(scope))
    const heard: Array<Value> = []
    let lost = 0
    const reading = yield* Effect.forkChild(Effect.ignore(Stream.runForEach(subscription.events, (event) =>
      Effect.gen(function*() {
        if (event._tag === "Message") heard.push(event.value)
        else if (event.cause === "SlowSubscriber") lost += event.lost
        if (yield* Random.nextBoolean) yield* Effect.yieldNow
      }))))
    const close = Effect.gen(function*() {
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(reading)
      const { delivered, dropped, received, waiting } = yield* subscription.stats
      assert.deepStrictEqual([received, waiting], [heard.length + dropped, 0])
      assert.strictEqual(delivered, heard.length)
      if (whenFull !== "fail") {
        assert.strictEqual(lost, dropped)
      }
      for (const by of [0, 1, 2]) {
        const mine = heard.filter((value) =>
          value.by === by
        ).map(({ n }) => n)
        assert.deepStrictEqual(mine, mine.toSorted((a, b) => a - b), "in the order of its publisher")
      }
      return { heard, dropped, received }
    })
    return close
  })

/** Three publish to one who makes them wait, to some who lose, and to one who leaves in between. */
const program = Effect.gen(function*() {
  const closes = yield* Effect.all([listen("wait"), listen("dropOldest"), listen("dropNewest"), listen("fail")])
  const leaves = yield* listen("wait")
  yield* Effect.all([publisher(0), publisher(1), publisher(2), Effect.andThen(Effect.yieldNow, leaves)], all)
  const [waited, oldest, newest] = yield* Effect.all(closes)
  assert.deepStrictEqual([waited.heard.length, waited.dropped], [3 * each, 0])
  assert.deepStrictEqual([oldest.received, newest.received], [3 * each, 3 * each])
}).pipe(Effect.provide(Layer.fresh(Broker.layerMemory)))

describe("Topic under every kind of interleaving", () => {
  it.live(
    "nothing is lost or doubled unseen, the order of each publisher is kept, and nobody waits for ever",
    () =>
      Effect.andThen(
        Explore.run(program, { runs: 800, leaks: true }),
        Explore.run(program, { runs: 300, leaks: true, strategy: Explore.pct() })
      ),
    120_000
  )

  it.live("two readers, one of them interrupted as a message comes: one of them gets it", () =>
    Explore.run(
      Effect.gen(function*() {
        const { messages, stats } = yield* topic.subscribe()
        const reader = Stream.runDrain(messages)
        const readers = [yield* Effect.forkChild(reader), yield* Effect.forkChild(reader)]
        for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
        yield* Effect.all([topic.publish({ by: 0, n: 0 }), Effect.forEach(readers.slice(0, 1), Fiber.interrupt)], all)
        for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
        assert.strictEqual((yield* stats).delivered, 1)
        yield* Fiber.interruptAll(readers)
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Broker.layerMemory))),
      { runs: 800, leaks: true }
    ), 120_000)
})

describe("Topic interrupted at every step", () => {
  const setup: Effect.Effect<Context.Context<Broker.Broker | BrokerAbility.Backpressure>> = Layer.build(
    Layer.fresh(Broker.layerMemory)
  ).pipe(
    Effect.map(Context.add(BrokerAbility.Backpressure, true)),
    Scope.provide(Scope.makeUnsafe())
  )
  it.live(
    "whoever is interrupted, nothing of a subscription is left and the others hear all",
    () =>
      InterruptSweep.run({
        setup,
        program: (context) =>
          Effect.gen(function*() {
            const { messages } = yield* topic.subscribe({ buffer: 1, whenFull: "wait" })
            yield* Effect.all([Stream.runDrain(Stream.take(messages, each)), publisher(0)], all)
          }).pipe(Effect.scoped, Effect.provideContext(context)),
        invariant: (context) =>
          Effect.gen(function*() {
            // One who makes publishers wait and is still there would stop this for ever.
            const { messages } = yield* topic.subscribe()
            yield* publisher(1)
            const heard = yield* Stream.runCollect(Stream.take(messages, each))
            assert.deepStrictEqual(Array.from(heard, ({ value }) => value.n), [0, 1, 2, 3])
          }).pipe(Effect.scoped, Effect.provideContext(context)),
        target: "all"
      }),
    120_000
  )
})
