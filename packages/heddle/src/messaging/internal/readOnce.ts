import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Message } from "../Message.ts"
import type { Received } from "../Topic.ts"
import { isDone, type WorkCodec } from "./workCodec.ts"

/** Reads a message. Why it cannot be read is told in words. */
export type Read<A> = (message: Message) => Effect.Effect<Received<A>, string>

/** Reads a message once for all subscriptions of a topic that are told of it, where reading needs no effect. */
export const readOnce = <A>({ decode }: WorkCodec<A>): Read<A> => {
  class Known extends Given {
    readonly #found: Exit.Exit<Received<A>, string>
    constructor(message: Message, found: Exit.Exit<Received<A>, string>) {
      super(message)
      this.#found = found
    }
    static of(message: Message) {
      return #found in message ? message.#found : undefined
    }
  }
  return (message) => {
    const found = Known.of(message)
    if (found !== undefined) return found
    const { headers, payload, subject } = message
    const read = Effect.mapEager(
      decode(payload),
      (value): Received<A> => ({ _tag: "Message", value, subject, headers })
    )
    if (isDone(read)) new Known(message, read)
    return read
  }
}

/** What extends it writes its private fields on an object that is there: nobody sees them, and they go with it, as in a `WeakMap`, which costs
 * five times as much. */
class Given {
  constructor(given: object) {
    return given
  }
}
