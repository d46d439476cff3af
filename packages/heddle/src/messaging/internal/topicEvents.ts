import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Subscription } from "../Broker.ts"
import type { Gap, Message, SubscriberTooSlow } from "../Message.ts"
import type { Received, Undecodable } from "../Topic.ts"
import type { WorkCodec } from "./workCodec.ts"

/** What a subscription hears, as values. What is no value goes to the sink. */
export const decoded = <A, R>(
  { events }: Subscription,
  codec: WorkCodec<A>,
  sink: (undecodable: Undecodable) => Effect.Effect<void, never, R>
): Stream.Stream<Received<A> | Gap, SubscriberTooSlow, R> => {
  const one = (event: Message | Gap): Effect.Effect<Received<A> | Gap | undefined, never, R> => {
    if (event._tag === "Gap") return Effect.succeed(event)
    const { headers, payload, subject } = event
    return Effect.matchEffect(codec.decode(payload), {
      onSuccess: (value) => Effect.succeed({ _tag: "Message" as const, value, subject, headers }),
      onFailure: (reason) => Effect.as(sink({ subject, payload, headers, reason }), undefined)
    })
  }
  const all = (found: NonEmptyReadonlyArray<Message | Gap>) => Effect.forEach(found, one)
  return events.pipe(
    Stream.mapArrayEffect(all),
    Stream.filter((event) => event !== undefined)
  )
}

/** What is in UTF-8 and JSON but not of the schema, or is neither, is told to the log. */
export const logUndecodable = ({ reason, subject }: Undecodable): Effect.Effect<void> =>
  Effect.logWarning(`a message of ${subject} cannot be read and is left out: ${reason}`)
