import type { NatsConnection } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import type { Message } from "heddle/messaging"

type Answered = Effect.Effect<void, Message.StoreUnavailable>

/** Asks the server whether it has seen what was sent before: with one ping for all who ask in one tick. */
export class Pings {
  private readonly connection: NatsConnection
  /** In milliseconds. A connection that is silent for so long is replaced. */
  private readonly timeout: number
  private readonly failure: (error: unknown) => Message.StoreUnavailable
  /** Who waits for the ping that is sent at the end of this tick. */
  private waiting: Set<(answered: Answered) => void> | undefined
  constructor(connection: NatsConnection, timeout: number, failure: (error: unknown) => Message.StoreUnavailable) {
    this.connection = connection
    this.timeout = timeout
    this.failure = failure
  }

  readonly answered: Answered = Effect.callback((resume) => {
    if (this.waiting === undefined) {
      this.waiting = new Set()
      queueMicrotask(this.send)
    }
    const { waiting } = this
    waiting.add(resume)
    return Effect.sync(() => void waiting.delete(resume))
  })

  private readonly send = (): void => {
    const waiting = this.waiting ?? []
    this.waiting = undefined
    const end = (answered: Answered) => {
      clearTimeout(timer)
      for (const resume of waiting) resume(answered)
    }
    const refuse = (error: unknown) => end(Effect.fail(this.failure(error)))
    const timer = setTimeout(() => {
      this.connection.reconnect().catch(() => {})
      refuse(new Error("timeout"))
    }, this.timeout)
    this.connection.flush().then(() => end(Effect.void), refuse)
  }
}
