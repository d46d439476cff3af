import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Message } from "heddle/messaging"
import type { RabbitMq } from "../RabbitMq.ts"
import type { Told } from "./Publisher.ts"

type Answered = Effect.Effect<void, Message.StoreUnavailable>

/** What is published in one tick: whose messages are not confirmed yet. */
interface Tick {
  readonly open: Set<(answered: Answered) => void>
  readonly over: PromiseWithResolvers<void>
  isFull: boolean
}

/** Waits for the server to confirm what is published: all of one tick under one deadline, each for its own messages. */
export class Confirms {
  private readonly failure: (error: unknown) => Message.StoreUnavailable
  /** Waits for a promise for as long as a step with the server may take, and tells where that was too long. */
  private readonly within: (over: Promise<void>, late: (error: Message.StoreUnavailable) => void) => void
  private tick: Tick | undefined
  constructor(
    failure: (error: unknown) => Message.StoreUnavailable,
    within: (over: Promise<void>, late: (error: Message.StoreUnavailable) => void) => void
  ) {
    this.failure = failure
    this.within = within
  }

  /** Lets something be published, and waits until it is told of all of it, or of the first that failed. */
  wait(publish: (told: Told) => void): Answered {
    return Effect.callback((resume) => {
      const tick = this.tick ?? this.begin()
      const end = (answered: Answered) => {
        if (!tick.open.delete(end)) return
        if (tick.isFull && tick.open.size === 0) tick.over.resolve()
        resume(answered)
      }
      tick.open.add(end)
      publish((error) => end(error === undefined ? Effect.void : Effect.fail(this.failure(error))))
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

export const makeConfirms = ({ failure, step }: RabbitMq["Service"]): Effect.Effect<Confirms, never, Scope.Scope> =>
  Effect.map(Effect.context<Scope.Scope>(), (context) => {
    const run = Effect.runForkWith(context)
    return new Confirms(failure, (over, late) =>
      run(Effect.forkScoped(
        Effect.catch((error: Message.StoreUnavailable) => Effect.sync(() => late(error)))(step(() => over))
      )))
  })

/** Told once: when all of so many are, or of the first error. */
export const allOf = (count: number, told: Told): Told => {
  let left = count
  return (error) => {
    if (error !== undefined || --left === 0) told(error)
  }
}
