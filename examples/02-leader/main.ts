// Three workers elect a leader; it dies; the next one takes over with a higher term.
//   node --conditions=@heddle/source examples/02-leader/main.ts [redis|etcd]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Servers } from "@heddle/testkit"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import type { Crew } from "./crew.ts"
import { fibers, processes } from "./crew.ts"

/** Who led first, and who after that one had died. */
export const succession = ({ kill, next }: Crew) =>
  Effect.gen(function*() {
    const first = yield* next
    yield* kill(first.worker)
    const second = yield* next
    return { first, second }
  })

const onRedis = Effect.flatMap(Servers.redis, ({ url }) => processes(url))
const onEtcd = Effect.flatMap(Servers.etcd, ({ url }) => processes(url.replace(/^http/, "etcd")))
const crews: Readonly<Record<string, typeof onRedis>> = { memory: fibers, redis: onRedis, etcd: onEtcd }

/** The scene on a backend: `memory`, or with a private server `redis` or `etcd`. */
export const scene = (backend: string) =>
  Effect.scoped(Effect.flatMap(crews[backend] ?? Effect.die(`memory, redis or etcd, not ${backend}`), succession))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(
    Effect.flatMap(scene(process.argv[2] ?? "memory"), ({ first, second }) =>
      Console.log(
        `${first.worker} led in term ${first.term} and was killed; ${second.worker} leads in term ${second.term}`
      ))
  )
}
