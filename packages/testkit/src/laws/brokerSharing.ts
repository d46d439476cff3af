import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { BrokerAbilities } from "../BrokerLaws.ts"
import { type BrokerLaw, type Brokers, events, having, insist, inTime, numbers, publish, show } from "./brokerStage.ts"

/** What is heard until a message comes that was published after the harm. */
const until = (last: string, broker: Brokers, subject: string, harm: Effect.Effect<void, unknown>) =>
  Effect.gen(function*() {
    const subscription = yield* broker.subscribe(subject)
    yield* publish(broker, subject, ["first"])
    assert.deepStrictEqual(yield* events(subscription, 1), ["first"])
    yield* harm
    const heard = yield* Effect.forkScoped(
      Stream.runCollect(Stream.takeUntil(subscription.events, (event) => show(event) === last))
    )
    const again = Effect.repeat(Effect.andThen(insist(broker, subject, last), Effect.sleep(20)), {
      until: () => heard.pollUnsafe() !== undefined
    })
    yield* inTime("it hears again", again)
    return Array.from(yield* Fiber.join(heard), show)
  })

export const brokerSharingLaws = (law: BrokerLaw, { cut, restart, shared }: BrokerAbilities): void => {
  having(law, shared)(
    "what one process publishes another hears, each publisher in its order",
    ({ another, broker, subject }) =>
      Effect.gen(function*() {
        const [one, two] = [yield* another, yield* another]
        const subscription = yield* one.broker.subscribe(subject)
        const texts = (name: string) => numbers(100).map((at) => `${name}${at}`)
        yield* Effect.all([
          Effect.forEach(texts("a"), (text) => publish(broker, subject, [text]), { discard: true }),
          publish(two.broker, subject, texts("b"))
        ], { concurrency: "unbounded" })
        const heard = yield* events(subscription, 200)
        for (const name of ["a", "b"]) {
          assert.deepStrictEqual(heard.filter((text) => text.startsWith(name)), texts(name))
        }
      })
  )

  having(law, restart)(
    "a subscription outlives the server, and is told where it may have missed something",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        const heard = yield* until("after", broker, subject, restart ?? Effect.void)
        assert.include(heard, "[reconnected]")
        assert.isBelow(heard.indexOf("[reconnected]"), heard.indexOf("after"))
      })
  )

  having(law, cut)(
    "a subscription outlives a network that is cut, and is told so; who publishes meanwhile is told that the server does not have it",
    ({ broker, subject }) =>
      Effect.gen(function*() {
        // The server cannot have it, and so the publisher is not told that it does.
        const refused = inTime("it is refused", Effect.flip(publish(broker, subject, ["lost"])))
        const silent = Effect.scoped(Effect.andThen(cut ?? Effect.void, refused))
        const heard = yield* until("after", broker, subject, Effect.asVoid(silent))
        assert.include(heard, "[reconnected]")
      })
  )
}
