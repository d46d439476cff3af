import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BrokerBackend, Message } from "heddle/messaging"
import type { Redis } from "../Redis.ts"
import { readMessage, writeMessage } from "./brokerFrame.ts"
import { oneWrite } from "./oneWrite.ts"
import type { Hearer } from "./Subscriber.ts"
import { unavailable } from "./unavailable.ts"

/** The steps of a broker whose channels begin with the prefix. */
export const brokerSteps = (
  { address, commandTimeout, commands, subscriber }: Redis["Service"],
  prefix: string
): Effect.Effect<BrokerBackend.Steps, never, Scope.Scope> => {
  const failure = (error: unknown) => unavailable(address, error)
  const send = ({ subject, ...message }: Message.Message): Promise<unknown> => {
    const [channel, text] = [`${prefix}${subject}`, writeMessage({ subject, ...message })]
    return subscriber.sharded ? commands.spublish(channel, text) : commands.publish(channel, text)
  }
  /** The subscriptions of a channel are told one after another: the text is read once for all of them. */
  let last: readonly [text: string, message: Message.Message | undefined] = ["", undefined]
  const read = (text: string) => {
    if (text !== last[0]) last = [text, readMessage(text)]
    return last[1]
  }
  const steps: BrokerBackend.Steps = {
    publish: (messages) =>
      Effect.asVoid(Effect.tryPromise({
        try: () => {
          oneWrite(commands)
          return Promise.all(messages.map(send))
        },
        catch: failure
      })),
    subscribe: ({ inlet, pattern }) => {
      const wild = /[*>]/.test(pattern)
      if (wild && subscriber.sharded) return Effect.fail(noPatterns)
      const channel = wild ? globOf(prefix, pattern) : `${prefix}${pattern}`
      let state: "hears" | "lost" | "told" = "hears"
      const hearer: Hearer = {
        onMessage: (text) => {
          const message = read(text)
          if (message === undefined || (wild && !BrokerBackend.matches(pattern, message.subject))) return
          // The gap is before the first message of the new connection.
          if (state === "lost") {
            state = "told"
            inlet.reconnected()
          }
          inlet.take(message)
        },
        onAgain: () => {
          if (state !== "told") inlet.reconnected()
          state = "hears"
        },
        onLost: () => {
          state = "lost"
        }
      }
      const join = () => wild ? subscriber.joinPattern(channel, hearer) : subscriber.join(channel, hearer, false)
      const leave = () => wild ? subscriber.leavePattern(channel, hearer) : subscriber.leave(channel, hearer)
      return Effect.andThen(
        Effect.acquireRelease(Effect.void, () => Effect.sync(leave)),
        Effect.tryPromise({ try: join, catch: failure })
      )
    }
  }
  const ask = Effect.andThen(Effect.sleep(commandTimeout / 8), Effect.sync(() => subscriber.ping()))
  return Effect.as(Effect.forkScoped(Effect.forever(ask)), steps)
}

/** What Redis lets through may be more than the pattern means: its `*` also stands for several tokens. */
const globOf = (prefix: string, pattern: string): string =>
  `${prefix.replaceAll(/[[\]*?\\^]/g, "\\$&")}${pattern.replace(/>$/, "*")}`

const noPatterns = new Message.StoreUnavailable({
  backend: "redis",
  message: "a Redis Cluster hears no patterns: subscribe to each subject, or use a server or sentinels"
})
