// One process of a fleet that starts up: it needs the migration to be done, and does it if nobody else does.
//   node --conditions=@heddle/source examples/07-run-once-migration/worker.ts <backend> <url>
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Once } from "heddle/coordination"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { layerOf } from "./backends.ts"

/** How a worker tells what it does, and is told to end the migration that it runs. */
export interface Stage {
  readonly say: (line: string) => Effect.Effect<unknown>
  readonly go: Effect.Effect<unknown>
}

/** Goes on when the migration is done, whoever has done it; by the token its writes would be refused once it is given up. */
export const migrate = ({ go, say }: Stage) =>
  Once.run({ key: "migration/12", success: Schema.Int, retention: Infinity, ttl: "2 seconds", waitFor: Infinity })(
    ({ token }) => Effect.as(Effect.andThen(say(`runs ${token}`), go), 4711)
  ).pipe(Effect.flatMap((rows) => say(`done ${rows}`)))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , backend = "memory", url = ""] = process.argv
  const go = Effect.promise(() => once(process.stdin, "data"))
  NodeRuntime.runMain(Effect.gen(function*() {
    const layer = yield* Effect.promise(() => layerOf(backend, url))
    yield* migrate({ say: (line) => Console.log(line), go }).pipe(Effect.provide(layer))
    process.stdin.destroy()
  }))
}
