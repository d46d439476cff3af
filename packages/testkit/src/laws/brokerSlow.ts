import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { BrokerAbilities } from "../BrokerLaws.ts"
import { type BrokerLaw, events, having, inTime, numbers, publish, received } from "./brokerStage.ts"

export const brokerSlowLaws = (law: BrokerLaw, { backpressure }: BrokerAbilities): void => {
  law(
    "AC-32.1: a slow subscriber keeps the newest, and is told at the front how many are lost",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const slow = yield* broker.subscribe(subject, { buffer: 3 })
        const quick = yield* broker.subscribe(subject)
        yield* publish(broker, subject, numbers(10))
        yield* received(slow, 10)
        assert.deepStrictEqual(yield* events(slow, 4), ["[7 lost]", "7", "8", "9"])
        assert.deepInclude(yield* slow.stats, { received: 10, delivered: 3, dropped: 7, waiting: 0 })
        assert.deepStrictEqual(yield* events(quick, 10), numbers(10))
      })
  )

  law(
    "one that keeps the oldest is told behind them how many are lost",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const slow = yield* broker.subscribe(subject, { buffer: 3, whenFull: "dropNewest" })
        yield* publish(broker, subject, numbers(10))
        yield* received(slow, 10)
        assert.deepStrictEqual(yield* events(slow, 4), ["0", "1", "2", "[7 lost]"])
        yield* publish(broker, subject, ["10"])
        assert.deepStrictEqual(yield* events(slow, 1), ["10"])
        assert.deepInclude(yield* slow.stats, { received: 11, delivered: 4, dropped: 7, waiting: 0 })
      })
  )

  law("one that is to fail gives what it has, and fails", ({ broker, subject }) =>
    Effect.gen(function*() {
      const slow = yield* broker.subscribe(subject, { buffer: 3, whenFull: "fail" })
      yield* publish(broker, subject, numbers(10))
      yield* received(slow, 4)
      const seen: Array<string> = []
      const error = yield* inTime(
        "it fails",
        Effect.flip(Stream.runForEach(slow.events, (event) =>
          Effect.sync(() => {
            if (event._tag === "Message") seen.push(new TextDecoder().decode(event.payload))
          })))
      )
      assert.deepInclude(error, { _tag: "SubscriberTooSlow", pattern: subject, buffer: 3 })
      assert.deepStrictEqual(seen, ["0", "1", "2"])
    }))

  having(law, backpressure)(
    "a publisher waits for a subscriber that wants it to, and loses nothing",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const slow = yield* broker.subscribe(subject, { buffer: 2, whenFull: "wait" })
        let sent = 0
        const publisher = yield* Effect.forkScoped(
          Effect.forEach(
            numbers(10),
            (one) => Effect.tap(publish(broker, subject, [one]), () => Effect.sync(() => sent++))
          )
        )
        yield* received(slow, 2)
        yield* Effect.sleep(20)
        assert.strictEqual(sent, 1)
        assert.deepStrictEqual(yield* events(slow, 10), numbers(10))
        yield* inTime("all are sent", Fiber.join(publisher))
        assert.deepInclude(yield* slow.stats, { received: 10, delivered: 10, dropped: 0 })
      })
  )

  having(law, backpressure)(
    "a publisher that waits goes on when the subscriber leaves",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const publisher = yield* Effect.scoped(Effect.gen(function*() {
          const slow = yield* broker.subscribe(subject, { buffer: 1, whenFull: "wait" })
          const publisher = yield* Effect.forkDetach(publish(broker, subject, ["a", "b"]))
          yield* received(slow, 1)
          return publisher
        }))
        yield* inTime("it goes on", Fiber.join(publisher))
      })
  )
}
