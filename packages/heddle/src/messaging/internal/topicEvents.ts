import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Subscription } from "../Broker.ts"
import type { Gap, Message, SubscriberTooSlow } from "../Message.ts"
import type { Received, Undecodable } from "../Topic.ts"
import type { Read } from "./readOnce.ts"
import { isDone } from "./workCodec.ts"

/** What a subscription hears, as values, as far as it is wanted. What is no value goes to the sink. */
export const decoded = <A, R, B extends Received<A> | Gap>(
  { events }: Subscription,
  read: Read<A>,
  sink: (undecodable: Undecodable) => Effect.Effect<void, never, R>,
  wanted: (event: Received<A> | Gap) => event is B
): Stream.Stream<B, SubscriberTooSlow, R> => {
  const one = (event: Message | Gap): Effect.Effect<Received<A> | Gap | undefined, never, R> => {
    if (event._tag === "Gap") return Effect.succeed(event)
    const found = read(event)
    if (isDone(found) && Exit.isSuccess(found)) return Effect.succeed(found.value)
    const { headers, payload, subject } = event
    return Effect.catch((reason: string) => Effect.as(sink({ subject, payload, headers, reason }), undefined))(found)
  }
  // One stage in place of three, and no step of its own for what needs no effect.
  return Stream.transformPull(events, (pull) => {
    const next: Pull.Pull<Arr.NonEmptyReadonlyArray<B>, SubscriberTooSlow, void, R> = Effect.flatMap(
      pull,
      (found) => {
        const [first] = found
        const all = found.length === 1 ? Effect.mapEager(one(first), Arr.of) : Effect.forEach(found, one)
        return Effect.flatMapEager(all, (all) => {
          const values = all.filter((event): event is B => event !== undefined && wanted(event))
          return Arr.isReadonlyArrayNonEmpty(values) ? Effect.succeed(values) : next
        })
      }
    )
    return Effect.succeed(next)
  })
}

/** What is in UTF-8 and JSON but not of the schema, or is neither, is told to the log. */
export const logUndecodable = ({ reason, subject }: Undecodable): Effect.Effect<void> =>
  Effect.logWarning(`a message of ${subject} cannot be read and is left out: ${reason}`)
