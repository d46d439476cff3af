// A room, as each server has it: what was said, what is said, and who is there. There is no server above them.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Log, Topic } from "heddle/messaging"

const Said = Schema.Struct({ from: Schema.String, text: Schema.String })

const who = { from: Schema.String, session: Schema.String }
const Presence = Schema.Union([Schema.TaggedStruct("Here", who), Schema.TaggedStruct("Left", who)])

/**
 * Enters a room until the scope closes. `lines` is the last of what was said before, and then what is said: the same lines in the same
 * order for everybody, each once.
 */
export const enter = (room: string, from: string) =>
  Effect.gen(function*() {
    const talk = Log.make({ name: `chat.${room}`, payload: Said, retention: { count: 10_000 } })
    const presence = Topic.make({ name: `chat-presence.${room}`, payload: Presence })
    const session = Math.abs(yield* Random.nextInt).toString(36)
    const present = new Map<string, { readonly name: string; readonly heard: number }>()

    const entries = yield* talk.read({ from: { last: 100 } })
    const { messages } = yield* presence.subscribe()
    yield* messages.pipe(
      Stream.runForEach(({ value: { _tag, from, session } }) =>
        Effect.map(Clock.currentTimeMillis, (heard) => {
          if (_tag === "Here") present.set(session, { name: from, heard })
          else present.delete(session)
        })
      ),
      Effect.forkScoped
    )
    const tell = (_tag: "Here" | "Left") => Effect.ignore(presence.publish({ _tag, from, session }))
    yield* Effect.addFinalizer(() => Effect.timeoutOption(tell("Left"), "1 second"))
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(tell("Here"), Effect.sleep("1 second"))))
    return {
      lines: Stream.map(entries, ({ value }) => value),
      /** When it returns, the line is kept, and everybody will see it. */
      say: (text: string) => talk.append({ from, text }),
      /** Who has been heard of in the last three seconds. */
      present: Effect.map(Clock.currentTimeMillis, (now) =>
        [...present.values()].filter(({ heard }) => now - heard < 3000).map(({ name }) => name).sort())
    }
  })
