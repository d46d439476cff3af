// Three sources send more than one operator can handle: what is critical goes first, and nothing is lost without a word.
//   node --conditions=@heddle/source examples/11-multiplexer/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Multiplexer } from "heddle/flow"
import { fileURLToPath } from "node:url"

/** So many events, one each `every`. */
const events = (count: number, every: Duration.Input) =>
  Stream.range(1, count).pipe(Stream.rechunk(1), Stream.tap(() => Effect.sleep(every)))

/** What the operator handled, in order, and what came of each source. */
export const scene = (tell: (line: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const { stats, stream } = yield* Multiplexer.make({
      sources: {
        critical: { stream: events(9, "500 millis"), priority: 10 },
        user: { stream: events(24, "200 millis"), priority: 5 },
        metrics: { stream: events(49, "100 millis"), priority: 1, buffer: 4, whenFull: "dropOldest" }
      }
    })
    const handled: Array<string> = []
    yield* Stream.runForEach(stream, ({ source, value }) => {
      handled.push(`${source} ${value}`)
      return Effect.andThen(tell(`handles ${source} event ${value}`), Effect.sleep("80 millis"))
    })
    return { handled, stats: yield* stats }
  }).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { stats } = yield* scene(Console.log)
    for (const [source, { delivered, dropped, offered }] of Object.entries(stats)) {
      yield* Console.log(`${source}: ${offered} offered = ${delivered} delivered + ${dropped} dropped`)
    }
  }))
}
