import * as Effect from "effect/Effect"
import type { Steps, Subscribing } from "../BrokerBackend.ts"
import { matches } from "./subjects.ts"

/** The subscriptions of one process, in the order in which they came. */
export const memoryBroker: Effect.Effect<Steps> = Effect.sync(() => {
  const all = new Set<Subscribing>()

  /** Those who get a message of the subject: of each group the member whose turn it is, who then goes behind the others. */
  const receivers = (subject: string): ReadonlyArray<Subscribing> => {
    const served = new Set<string>()
    const chosen: Array<Subscribing> = []
    for (const subscribing of all) {
      const { group, pattern } = subscribing
      const name = `${group} ${pattern}`
      if ((group !== undefined && served.has(name)) || !matches(pattern, subject)) continue
      chosen.push(subscribing)
      served.add(name)
    }
    for (const subscribing of chosen) {
      if (subscribing.group === undefined) continue
      all.delete(subscribing)
      all.add(subscribing)
    }
    return chosen
  }

  return {
    publish: (messages) =>
      Effect.forEach(messages, (message) =>
        Effect.suspend(() => {
          const chosen = receivers(message.subject)
          for (const { inlet } of chosen) inlet.take(message)
          return Effect.forEach(chosen, ({ inlet }) => inlet.room, { discard: true })
        }), { discard: true }),
    subscribe: (subscribing) =>
      Effect.acquireRelease(
        Effect.sync(() => void all.add(subscribing)),
        () => Effect.sync(() => void all.delete(subscribing))
      )
  }
})
