import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type BrokerLaw, events, inTime, numbers, publish, rest, show } from "./brokerStage.ts"

export const brokerHearingLaws = (law: BrokerLaw): void => {
  law(
    "a subscription hears all that is published after it returned, in order",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        yield* publish(broker, subject, ["before"])
        const subscription = yield* broker.subscribe(subject)
        const all = numbers(500)
        for (const one of all.slice(0, 100)) yield* publish(broker, subject, [one])
        yield* publish(broker, subject, all.slice(100))
        assert.deepStrictEqual(yield* events(subscription, 500), all)
      })
  )

  law("AC-32.1: every subscriber hears every message", ({ broker, subject }) =>
    Effect.gen(function*() {
      const all = yield* Effect.forEach(numbers(4), () => broker.subscribe(subject))
      yield* publish(broker, subject, numbers(50))
      for (const one of all) assert.deepStrictEqual(yield* events(one, 50), numbers(50))
    }))

  law("a subscription that is closed gives what it has, and ends", ({ broker, subject }) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const subscription = yield* Scope.provide(broker.subscribe(subject), scope)
      yield* publish(broker, subject, ["a", "b"])
      assert.deepStrictEqual(yield* events(subscription, 1), ["a"])
      yield* publish(broker, subject, ["c"])
      const other = yield* broker.subscribe(subject)
      yield* Scope.close(scope, Exit.void)
      yield* publish(broker, subject, ["d"])
      // What was published just before may be on its way still, and is heard then.
      yield* inTime("d is heard", Stream.runDrain(Stream.takeUntil(other.events, (event) => show(event) === "d")))
      assert.notInclude(yield* rest(subscription), "d")
    }))

  law(
    "a reader that waits when the subscription is closed sees the end",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const subscription = yield* Scope.provide(broker.subscribe(subject), scope)
        yield* Effect.forkScoped(Effect.andThen(Effect.sleep(20), Scope.close(scope, Exit.void)))
        assert.deepStrictEqual(yield* rest(subscription), [])
      })
  )

  law(
    "the pattern * stands for one token, and > for one or more at the end",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const of = (pattern: string) => broker.subscribe(`${subject}${pattern}`)
        const heard = yield* Effect.all([of(".*"), of(".>"), of(".*.b"), of(".a.>"), of(".a.b")])
        const told = ["", ".a", ".b", ".a.b", ".x.b", ".a.b.c", ".a.b.end", ".end"]
        yield* broker.publish(told.map((one) => ({
          subject: `${subject}${one}`,
          payload: new TextEncoder().encode(one)
        })))
        assert.deepStrictEqual(yield* events(heard[0], 3), [".a", ".b", ".end"])
        assert.deepStrictEqual(yield* events(heard[1], 7), told.slice(1))
        assert.deepStrictEqual(yield* events(heard[2], 2), [".a.b", ".x.b"])
        assert.deepStrictEqual(yield* events(heard[3], 3), [".a.b", ".a.b.c", ".a.b.end"])
        assert.deepStrictEqual(yield* events(heard[4], 1), [".a.b"])
      })
  )

  law("the bytes and the headers arrive as they were sent, also none", ({ broker, subject }) =>
    Effect.gen(function*() {
      const subscription = yield* broker.subscribe(`${subject}.>`)
      const payloads = [Uint8Array.from({ length: 256 }, (_, at) => at), new Uint8Array(0)]
      const headers = { "a-b": "x y: \"z\"", "empty": "", "n1": "~" }
      yield* broker.publish([
        { subject: `${subject}.a`, payload: payloads[0] ?? new Uint8Array(), headers },
        { subject: `${subject}.b`, payload: payloads[1] ?? new Uint8Array() }
      ])
      const heard = yield* inTime("both arrive", Stream.runCollect(Stream.take(subscription.events, 2)))
      const plain = Array.from(heard, (one) =>
        one._tag === "Message" ? { ...one, payload: Array.from(one.payload), headers: { ...one.headers } } : show(one))
      assert.deepStrictEqual(plain, [
        { _tag: "Message", subject: `${subject}.a`, payload: Array.from(payloads[0] ?? []), headers },
        { _tag: "Message", subject: `${subject}.b`, payload: [], headers: {} }
      ])
    }))

  law("a reader that ends leaves what it has not taken to the next", ({ broker, subject }) =>
    Effect.gen(function*() {
      const subscription = yield* broker.subscribe(subject)
      yield* publish(broker, subject, numbers(5))
      const parts = yield* Effect.forEach([1, 2, 2], (count) => events(subscription, count))
      assert.deepStrictEqual(parts.flat(), numbers(5))
    }))

  law("two readers of one subscription share what arrives", ({ broker, subject }) =>
    Effect.gen(function*() {
      const subscription = yield* broker.subscribe(subject)
      const seen: Array<string> = []
      const reader = Stream.runForEach(subscription.events, (event) => Effect.sync(() => seen.push(show(event))))
      yield* Effect.forkScoped(reader)
      yield* Effect.forkScoped(reader)
      const last = yield* broker.subscribe(subject)
      for (const one of numbers(50)) yield* publish(broker, subject, [one])
      yield* events(last, 50)
      yield* inTime("all are read", Effect.repeat(Effect.sleep(5), { until: () => seen.length === 50 }))
      assert.deepStrictEqual(new Set(seen), new Set(numbers(50)))
    }))
}
