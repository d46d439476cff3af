import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { type Message, Topic } from "heddle/messaging"

/** What is told in a room. Who is there is told as well: no server keeps a list. */
const News = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Entered"), who: Schema.String }),
  Schema.Struct({ _tag: Schema.Literal("IsHere"), who: Schema.String }),
  Schema.Struct({ _tag: Schema.Literal("Left"), who: Schema.String }),
  Schema.Struct({ _tag: Schema.Literal("Said"), who: Schema.String, text: Schema.String })
])

type News = typeof News.Type

const chat = Topic.make({ name: "chat", payload: News })

/** What one in the room knows. */
export interface View {
  readonly present: ReadonlySet<string>
  readonly heard: ReadonlyArray<string>
  /** How often something may have been missed. */
  readonly gaps: number
}

const nothing: View = { present: new Set(), heard: [], gaps: 0 }

const seen = (view: View, event: Topic.Received<News> | Message.Gap): View => {
  // Who is there is asked anew; what was said is lost to this one, which says so.
  if (event._tag === "Gap") return { ...view, present: new Set(), gaps: view.gaps + 1 }
  const { value } = event
  if (value._tag === "Said") return { ...view, heard: [...view.heard, `${value.who}: ${value.text}`] }
  const present = new Set(view.present)
  if (value._tag === "Left") present.delete(value.who)
  else present.add(value.who)
  return { ...view, present }
}

/** Enters a room until the scope closes. */
export const enter = (room: string, who: string) =>
  Effect.gen(function*() {
    const tell = (news: News) => chat.publish(news, { at: room })
    const { events } = yield* chat.subscribe({ at: room })
    const view = yield* SubscriptionRef.make(nothing)
    yield* Effect.forkScoped(Stream.runForEach(events, (event) =>
      Effect.gen(function*() {
        yield* SubscriptionRef.update(view, (view) => seen(view, event))
        if (event._tag === "Gap") return yield* tell({ _tag: "Entered", who })
        if (event.value._tag === "Entered" && event.value.who !== who) yield* tell({ _tag: "IsHere", who })
      })))
    yield* Effect.acquireRelease(
      tell({ _tag: "Entered", who }),
      () => Effect.ignore(tell({ _tag: "Left", who }))
    )
    return {
      say: (text: string) => tell({ _tag: "Said", who, text }),
      /** Completes with what this one knows once it knows that. */
      once: (knows: (view: View) => boolean) =>
        SubscriptionRef.changes(view).pipe(Stream.filter(knows), Stream.take(1), Stream.runCollect)
    }
  })
