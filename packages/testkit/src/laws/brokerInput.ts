import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Message } from "heddle/messaging"
import type { BrokerAbilities } from "../BrokerLaws.ts"
import { type BrokerLaw, events, having, inTime, publish } from "./brokerStage.ts"

/** What a refusal names. */
const refused = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if ("field" in error) return error.field
    return "option" in error ? error.option : error._tag
  })

export const brokerInputLaws = (law: BrokerLaw, { backpressure, groups: has }: BrokerAbilities): void => {
  law("what cannot mean anything is refused, and nothing is sent", ({ broker, subject }) =>
    Effect.gen(function*() {
      const subscription = yield* broker.subscribe(`${subject}.>`)
      const payload = Uint8Array.of(1)
      const wrong = (message: Partial<Message.NewMessage>) =>
        refused(
          broker.publish([{ subject: `${subject}.a`, payload }, { subject: `${subject}.a`, payload, ...message }])
        )
      for (const name of ["", "a b", "a..b", ".a", "a.", "a.*", ">", "a.>", "ä", "x".repeat(201)]) {
        assert.strictEqual(yield* wrong({ subject: name }), "subject")
      }
      assert.strictEqual(yield* wrong({ headers: { Name: "x" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: "ü" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: " a" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: "a\r\nb" } }), "headers")
      assert.strictEqual(yield* wrong({ headers: { name: "x".repeat(8192) } }), "headers")
      assert.strictEqual(yield* wrong({ payload: new Uint8Array(broker.maxBytes + 1) }), "MessageTooLarge")
      for (const pattern of ["", "a.>.b", "a*", "a.b>", "a..b", " "]) {
        assert.strictEqual(yield* refused(broker.subscribe(pattern)), "pattern")
      }
      for (const buffer of [0, -1, NaN, 1.5]) {
        assert.strictEqual(yield* refused(broker.subscribe(subject, { buffer })), "buffer")
      }
      yield* publish(broker, `${subject}.b`, ["only"])
      assert.deepStrictEqual(yield* events(subscription, 1), ["only"])
    }))

  law("the largest message that is allowed arrives", ({ broker, subject }) =>
    Effect.gen(function*() {
      const subscription = yield* broker.subscribe(subject)
      const headers = { name: "0123456789" }
      const payload = new Uint8Array(broker.maxBytes - 14).map((_, at) => at * 31)
      yield* broker.publish([{ subject, payload, headers }])
      const heard = yield* inTime("it arrives", Stream.runCollect(Stream.take(subscription.events, 1)))
      const [message] = Array.from(heard)
      if (message?._tag !== "Message") return assert.fail("a gap arrived")
      assert.strictEqual(message.payload.length, payload.length)
      assert.isTrue(message.payload.every((byte, at) => byte === payload[at]))
      assert.strictEqual(message.headers["name"], headers.name)
    }))

  having(law, has)("the name of a group is checked", ({ groups, subject }) =>
    Effect.gen(function*() {
      for (const name of ["", "a b", "x".repeat(101)]) {
        assert.strictEqual(yield* refused(groups.join(subject, name)), "group")
      }
    }))

  having(law, backpressure === undefined ? true : undefined)(
    "a broker that cannot make publishers wait refuses to",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* refused(broker.subscribe(subject, { whenFull: "wait" })), "whenFull")
      })
  )
}
