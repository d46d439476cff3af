import * as Effect from "effect/Effect"
import type { Message } from "heddle/messaging"
import type { Publisher } from "./Publisher.ts"

type Answered = Effect.Effect<void, Message.StoreUnavailable>

/** What is published in one tick: whose messages are not confirmed yet. */
interface Tick {
  readonly open: Set<(answered: Answered) => void>
  readonly over: PromiseWithResolvers<void>
  isFull: boolean
}

/** Publishes, and waits for the server to confirm it: all of one tick in one write and under one deadline, each for its own messages. */
export class Confirms {
  private readonly exchange: string
  private readonly failure: (error: unknown) => Message.StoreUnavailable
  /** Waits for a promise for as long as a step with the server may take, and tells where that was too long. */
  private readonly within: (over: Promise<void>, late: (error: Message.StoreUnavailable) => void) => void
  private tick: Tick | undefined
  constructor(
    exchange: string,
    failure: (error: unknown) => Message.StoreUnavailable,
    within: (over: Promise<void>, late: (error: Message.StoreUnavailable) => void) => void
  ) {
    this.exchange = exchange
    this.failure = failure
    this.within = within
  }

  publish(publisher: Publisher, messages: ReadonlyArray<Message.Message>): Answered {
    return Effect.callback((resume) => {
      const tick = this.tick ?? this.begin()
      let left = messages.length
      const end = (answered: Answered) => {
        if (!tick.open.delete(end)) return
        if (tick.isFull && tick.open.size === 0) tick.over.resolve()
        resume(answered)
      }
      const confirm = (error: Error | undefined) => {
        if (error !== undefined) end(Effect.fail(this.failure(error)))
        else if (--left === 0) end(Effect.void)
      }
      tick.open.add(end)
      for (const { headers, payload, subject } of messages) {
        publisher.publish(
          { exchange: this.exchange, key: subject, mandatory: false },
          hasAny(headers) ? { headers } : none,
          payload,
          confirm
        )
      }
      return Effect.sync(() => end(Effect.void))
    })
  }

  private begin(): Tick {
    const tick: Tick = { open: new Set(), over: Promise.withResolvers(), isFull: false }
    this.tick = tick
    queueMicrotask(() => {
      this.tick = undefined
      tick.isFull = true
      if (tick.open.size === 0) tick.over.resolve()
    })
    this.within(tick.over.promise, (error) => {
      for (const end of tick.open) end(Effect.fail(error))
    })
    return tick
  }
}

const none = {}

const hasAny = (headers: Message.Headers): boolean => {
  for (const _ in headers) return true
  return false
}
