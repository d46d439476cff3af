import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { InvalidOption } from "heddle/messaging"
import { type Broker, type BrokerAbility, type Message, Topic } from "heddle/messaging"
import { expectTypeOf, test } from "vitest"

const topic = Topic.make({ name: "t", payload: Schema.Number })
type Refusal = InvalidOption | Message.SubscribeError
declare const store: Effect.Effect<void, never, "store">

test("a subscription needs a broker, and one that makes publishers wait needs a broker that can", () => {
  expectTypeOf(topic.subscribe()).toEqualTypeOf<
    Effect.Effect<Topic.Subscription<number>, Refusal, Broker.Broker | Scope.Scope>
  >()
  expectTypeOf(topic.subscribe({ whenFull: "wait" })).toEqualTypeOf<
    Effect.Effect<Topic.Subscription<number>, Refusal, Broker.Broker | Scope.Scope | BrokerAbility.Backpressure>
  >()
})

test("a group needs a broker with groups", () => {
  expectTypeOf(topic.join("a", { buffer: 2 })).toEqualTypeOf<
    Effect.Effect<Topic.Subscription<number>, Refusal, Broker.BrokerGroups | Scope.Scope>
  >()
})

test("what the sink needs, the stream needs", () => {
  expectTypeOf(topic.subscribe({ onUndecodable: () => store })).toEqualTypeOf<
    Effect.Effect<Topic.Subscription<number, "store">, Refusal, Broker.Broker | Scope.Scope>
  >()
})
