import { it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Broker, type Message } from "heddle/messaging"
import { bytes, text } from "./kvStage.ts"
import { eventually, inTime, unique } from "./Stage.ts"

export { bytes, eventually, inTime, text }

export type Brokers = Broker.Broker["Service"]

/** What a law works with. */
export interface BrokerStage {
  readonly broker: Brokers
  /** For laws of brokers that have it. */
  readonly groups: Broker.BrokerGroups["Service"]
  /** A subject that nobody else uses. */
  readonly subject: string
  /** One more broker from the same layer. */
  readonly another: Effect.Effect<Pick<BrokerStage, "broker" | "groups">, unknown, Scope.Scope>
}

export type BrokerLaw = (
  title: string,
  body: (stage: BrokerStage) => Effect.Effect<unknown, unknown, Scope.Scope>
) => void

export const brokerLawOf = <E>(layer: Layer.Layer<Broker.Broker, E>): BrokerLaw => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const another = Effect.map(Layer.build(Layer.fresh(layer)), (services) => ({
        broker: Context.get(services, Broker.Broker),
        groups: Option.getOrElse(
          Context.getOption(services, Broker.BrokerGroups),
          () => ({ join: () => Effect.die(new Error("the layer lacks BrokerGroups")) })
        )
      }))
      yield* body({ ...(yield* another), subject: unique(), another })
    }).pipe(Effect.scoped), { timeout: 120_000 })

/** Registers laws only for a broker that has the ability. */
export const having = (law: BrokerLaw, ability: unknown): BrokerLaw => ability === undefined ? () => {} : law

/** Publishes texts to a subject, in order. */
export const publish = (broker: Brokers, subject: string, texts: ReadonlyArray<string>) =>
  broker.publish(texts.map((one) => ({ subject, payload: bytes(one) })))

export const numbers = (count: number, from = 0): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, at) => String(from + at))

/** An event in a word: the text of a message, and a gap in brackets. */
export const show = (event: Message.Message | Message.Gap): string =>
  event._tag === "Message"
    ? text(event.payload) ?? ""
    : event.cause === "Reconnected"
    ? "[reconnected]"
    : `[${event.lost} lost]`

/** The next events, so many. */
export const events = ({ events }: Broker.Subscription, count: number) =>
  inTime(`${count} events are heard`, Stream.runCollect(Stream.take(events, count))).pipe(
    Effect.map((all) => Array.from(all, show))
  )

/** All that was heard until the subscription ended. */
export const rest = ({ events }: Broker.Subscription) =>
  Effect.map(inTime("the stream ends", Stream.runCollect(events)), (all) => Array.from(all, show))

/** Waits until so many messages were received. */
export const received = ({ stats }: Broker.Subscription, count: number) =>
  eventually(`${count} messages are received`, Effect.map(stats, ({ received }) => received >= count))

/** Publishes until it works. */
export const insist = (broker: Brokers, subject: string, one: string) =>
  eventually(
    "it is published",
    publish(broker, subject, [one]).pipe(Effect.as(true), Effect.orElseSucceed(() => false))
  )
