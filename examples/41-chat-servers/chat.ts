// A room, as each server has it: who is there, what was said, and what is said. There is no server above them.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Topic } from "heddle/messaging"

/** A line. `n` counts the lines of a session, and a server that starts again begins a new session. */
const Said = Schema.TaggedStruct("Said", {
  from: Schema.String,
  session: Schema.String,
  n: Schema.Int,
  at: Schema.Finite,
  text: Schema.String
})
export type Said = typeof Said.Type

const who = { from: Schema.String, session: Schema.String }
const Talk = Schema.Union([
  Said,
  Schema.TaggedStruct("Joined", who),
  Schema.TaggedStruct("Here", who),
  Schema.TaggedStruct("Left", who)
])

const remembered = 100

/**
 * Enters a room until the scope closes. `lines` is what was said before, as far as others remember it, and what is said from then on:
 * each line once, those of one session in order. Where the broker may have lost something, the others are asked again.
 */
export const enter = (room: string, from: string) =>
  Effect.gen(function*() {
    const talk = Topic.make({ name: `chat.${room}`, payload: Talk })
    const past = Topic.make({ name: `chat-past.${room}`, payload: Schema.Array(Said) })
    const session = Math.abs(yield* Random.nextInt).toString(36)
    const lines = yield* Queue.unbounded<Said>()
    const history: Array<Said> = []
    const last = new Map<string, number>()
    const present = new Map<string, { readonly name: string; readonly heard: number }>()
    let spoken = 0

    const show = (said: Said) =>
      Effect.suspend(() => {
        if (said.n <= (last.get(said.session) ?? 0)) return Effect.void
        last.set(said.session, said.n)
        history.push(said)
        if (history.length > remembered) history.shift()
        return Queue.offer(lines, said)
      })
    const live = yield* talk.subscribe({ at: "talk", buffer: 10_000 })
    const answers = yield* past.subscribe({ at: session })
    const tell = (value: typeof Talk.Type) => talk.publish(value, { at: "talk" })
    /** Says that it is here, and shows what the others answer. What is said meanwhile waits in `live`. */
    const catchUp = Effect.gen(function*() {
      yield* Effect.retry(tell({ _tag: "Joined", from, session }), { schedule: Schedule.spaced("50 millis") })
      const told = yield* answers.messages.pipe(Stream.interruptWhen(Effect.sleep("300 millis")), Stream.runCollect)
      const said = Array.from(told).flatMap(({ value }) => value)
      yield* Effect.forEach(said.sort((one, other) => one.at - other.at || one.n - other.n), show)
    })
    const heard = (value: typeof Talk.Type) =>
      Effect.gen(function*() {
        if (value._tag === "Said") return yield* show(value)
        if (value._tag === "Left") return void present.delete(value.session)
        present.set(value.session, { name: value.from, heard: yield* Clock.currentTimeMillis })
        if (value._tag === "Joined" && value.session !== session) {
          yield* Effect.ignore(past.publish(history, { at: value.session }))
        }
      })
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(tell({ _tag: "Left", from, session }), "1 second")))
    yield* catchUp
    yield* live.events.pipe(
      Stream.runForEach((event) => event._tag === "Gap" ? catchUp : heard(event.value)),
      Effect.forkScoped
    )
    const beat = Effect.andThen(Effect.ignore(tell({ _tag: "Here", from, session })), Effect.sleep("1 second"))
    yield* Effect.forkScoped(Effect.forever(beat))
    return {
      lines: Stream.fromQueue(lines),
      /** When it returns, everybody who is there will see the line. */
      say: (text: string) =>
        Effect.flatMap(Clock.currentTimeMillis, (at) => tell({ _tag: "Said", from, session, n: ++spoken, at, text })),
      /** Who has been heard of in the last three seconds. */
      present: Effect.map(Clock.currentTimeMillis, (now) =>
        [...present.values()].filter(({ heard }) => now - heard < 3000).map(({ name }) => name).sort())
    }
  })
