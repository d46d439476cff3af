// Ann, Bob and Cat talk, each at a server of their own; Dan comes, says a word, and leaves.
//   node --conditions=@heddle/source examples/41-chat/main.ts [memory|redis|postgres]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Broker } from "heddle/messaging"
import { fileURLToPath } from "node:url"
import { enter } from "./Room.ts"

export type Server = Context.Context<Broker.Broker>

const lines = 20

/** What each of those who stayed heard, and whom each sees at the end. */
export const scene = (room: string, [a, b, c]: readonly [Server, Server, Server]) =>
  Effect.scoped(Effect.gen(function*() {
    const ann = yield* Effect.provideContext(enter(room, "ann"), a)
    const bob = yield* Effect.provideContext(enter(room, "bob"), b)
    const cat = yield* Effect.provideContext(enter(room, "cat"), c)
    const all = [ann, bob, cat]
    yield* Effect.forEach(all, ({ once }) => once(({ present }) => present.size === 3))

    const talk = ({ say }: typeof ann, at: Server) =>
      Effect.provideContext(Effect.forEach(Array.from({ length: lines }, (_, n) => `${n}`), say, { discard: true }), at)
    const visit = Effect.scoped(Effect.gen(function*() {
      const dan = yield* enter(room, "dan")
      yield* dan.say("hello")
    }))
    yield* Effect.all([talk(ann, a), talk(bob, b), talk(cat, c), Effect.provideContext(visit, a)], {
      concurrency: "unbounded"
    })
    return yield* Effect.forEach(all, ({ once }) =>
      Effect.map(
        once(({ heard, present }) => heard.length > 3 * lines && !present.has("dan")),
        ([view]) => ({ present: Array.from(view?.present ?? []).sort(), heard: view?.heard ?? [], gaps: view?.gaps })
      ))
  }))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const program = Effect.gen(function*() {
    const servers = process.argv[2] === "redis"
      ? yield* (yield* Effect.promise(() => import("./redis.ts"))).servers()
      : process.argv[2] === "postgres"
      ? yield* (yield* Effect.promise(() => import("./postgres.ts"))).servers()
      : yield* (yield* Effect.promise(() => import("./memory.ts"))).servers()
    const views = yield* scene("lobby", servers)
    for (const { gaps, heard, present } of views) {
      yield* Console.log(`heard ${heard.length} lines, missed something ${gaps} times; sees ${present.join(", ")}`)
    }
  })
  NodeRuntime.runMain(Effect.scoped(program))
}
