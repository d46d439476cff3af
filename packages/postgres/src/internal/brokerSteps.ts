import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Alarm } from "heddle/coordination"
import { Batcher } from "heddle/flow"
import type { BrokerBackend, Message } from "heddle/messaging"
import type { Postgres } from "../Postgres.ts"
import { brokerHearing } from "./brokerHearing.ts"
import { piecesOf } from "./brokerPieces.ts"
import { failureOf, isPassing } from "./unavailable.ts"

const statement = "select pg_notify($1, piece) from unnest($2::text[]) as piece"

/** How many bytes travel in one statement, if the first message has not more. */
const heaviest = 4_000_000

const weightOf = ({ payload }: Message.Message): number => 200 + payload.byteLength

/** The steps of a broker whose messages are notified on the channel. */
export const brokerSteps = (
  postgres: Postgres["Service"],
  channel: string
): Effect.Effect<BrokerBackend.Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { now } = new Alarm.Alarm(yield* Clock.Clock, Effect.succeed(Infinity))
    const failure = failureOf(postgres.failure)

    /** Waits for a session for as long as a step may take; what was sent is not sent again, or it may be heard twice. */
    const notify = (texts: ReadonlyArray<string>) =>
      Effect.suspend(() => {
        const end = now() + postgres.timeout
        let sent = false
        return Effect.suspend(() => {
          sent = postgres.isUp()
          return postgres.run(statement, [channel, texts])
        }).pipe(
          Effect.retry({
            while: (error) => isPassing(error) && !sent && now() < end,
            schedule: Schedule.spaced(20)
          }),
          Effect.mapError(failure),
          Effect.asVoid
        )
      })

    // Commits that notify wait for each other in the whole server: all of one tick are one.
    const sending = yield* Effect.orDie(
      Batcher.makeWeighted<ReadonlyArray<Message.Message>, void, Message.StoreUnavailable, never>({
        maxSize: 1000,
        concurrency: 1,
        drainFor: postgres.timeout,
        weight: (messages) => messages.reduce((sum, message) => sum + weightOf(message), 0),
        maxWeight: heaviest,
        run: (calls) => Effect.map(notify(piecesOf(calls.flat())), () => calls.map(() => Exit.void))
      })
    )
    const send = (messages: ReadonlyArray<Message.Message>) =>
      Effect.catchTag(
        sending.submit(messages),
        ["BatcherClosed", "TooHeavy"],
        () => Effect.fail(failure(new Error("closed")))
      )

    return {
      publish: (messages) => Effect.forEach(portionsOf(messages), send, { discard: true }),
      subscribe: yield* brokerHearing(postgres, channel, (text) => notify([text]))
    }
  })

/** In order, each light enough for one statement. */
const portionsOf = (messages: ReadonlyArray<Message.Message>): ReadonlyArray<ReadonlyArray<Message.Message>> => {
  const portions: Array<Array<Message.Message>> = []
  let weight = Infinity
  for (const message of messages) {
    weight += weightOf(message)
    if (weight <= heaviest) {
      portions.at(-1)?.push(message)
      continue
    }
    portions.push([message])
    weight = weightOf(message)
  }
  return portions
}
