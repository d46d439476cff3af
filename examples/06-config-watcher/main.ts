// Three processes follow one typed configuration live; nonsense that somebody writes does not reach them.
//   node --conditions=@heddle/source examples/06-config-watcher/main.ts [memory | redis <url> | etcd <url> | postgres <url>]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Kv, KvStore } from "heddle/coordination"
import { fileURLToPath } from "node:url"
import { layerOf } from "./backends.ts"

const settings = Kv.make({
  namespace: "shop-settings",
  schema: Schema.Struct({ banner: Schema.String, perPage: Schema.Int })
})
const standard = { banner: "welcome", perPage: 20 }

/** Tells what holds now, and again after each change. */
const follow = (tell: (line: string) => Effect.Effect<unknown>) =>
  Stream.runForEach(settings.watch("shop"), (change) => {
    switch (change._tag) {
      case "Snapshot":
        return tell(JSON.stringify(change.entries[0]?.value ?? standard))
      case "Put":
        return tell(JSON.stringify(change.entry.value))
      case "Delete":
        return tell(JSON.stringify(standard))
      case "Undecodable":
        return tell(`not understood, nothing changes: ${Buffer.from(change.bytes).toString()}`)
    }
  })

/** What each of the three was told, in order. */
export const scene = Effect.gen(function*() {
  const store = yield* KvStore.KvStore
  yield* settings.delete("shop")
  const inboxes = yield* Effect.forEach([1, 2, 3], () => Queue.unbounded<string>())
  for (const inbox of inboxes) yield* Effect.forkScoped(follow((line) => Queue.offer(inbox, line)))
  const round = Effect.forEach(inboxes, Queue.take)

  const told = [yield* round]
  yield* settings.put("shop", { banner: "sale", perPage: 50 })
  told.push(yield* round)
  // Somebody goes past the type: another tool, an older version of the program.
  yield* store.put("shop-settings/shop", new TextEncoder().encode(`{"perPage":"many"}`))
  told.push(yield* round)
  yield* settings.put("shop", { banner: "sale", perPage: 100 })
  told.push(yield* round)
  yield* settings.delete("shop")
  told.push(yield* round)
  return told
}).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backend = process.argv[2] ?? "memory"
  const url = process.argv[3] ?? process.env[`HEDDLE_${backend.toUpperCase()}_URL`] ?? ""
  NodeRuntime.runMain(Effect.gen(function*() {
    const layer = yield* Effect.promise(() => layerOf(backend, url))
    for (const [line] of yield* Effect.provide(scene, layer)) yield* Console.log(line)
  }))
}
