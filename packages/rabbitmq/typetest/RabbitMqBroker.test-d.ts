import { type RabbitMq, RabbitMqBroker } from "@heddle/rabbitmq"
import type * as Layer from "effect/Layer"
import type { Broker, BrokerAbility, Message } from "heddle/messaging"
import { expectTypeOf, test } from "vitest"

test("the broker has groups, and cannot make publishers wait", () => {
  const layer = RabbitMqBroker.layer()
  expectTypeOf(layer).toEqualTypeOf<
    Layer.Layer<Broker.Broker | Broker.BrokerGroups, Message.StoreUnavailable>
  >()
  expectTypeOf<Layer.Success<typeof layer>>().not.toEqualTypeOf<
    Broker.Broker | Broker.BrokerGroups | BrokerAbility.Backpressure
  >()
})

test("several stores may share a connection", () => {
  expectTypeOf(RabbitMqBroker.layerFrom()).toEqualTypeOf<
    Layer.Layer<Broker.Broker | Broker.BrokerGroups, Message.StoreUnavailable, RabbitMq.RabbitMq>
  >()
})
