// A fleet starts, and one of its processes migrates the database. It is killed in the middle; another begins anew.
//   node --conditions=@heddle/source examples/07-run-once-migration/main.ts [memory|redis|etcd|postgres]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Servers } from "@heddle/testkit"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { type Crew, fibers, processes } from "./crew.ts"

/** Who said what until the two that live knew the result. */
const startUp = ({ go, kill, said }: Crew) =>
  Effect.gen(function*() {
    const first = yield* said
    yield* kill(first.worker)
    const second = yield* said
    yield* go(second.worker)
    return [first, second, yield* said, yield* said]
  })

const onRedis = Effect.flatMap(Servers.redis, ({ url }) => processes("redis", url))
const onEtcd = Effect.flatMap(Servers.etcd, ({ url }) => processes("etcd", url))
const onPostgres = Effect.flatMap(Servers.postgres, ({ url }) => processes("postgres", url))
const crews: Readonly<Record<string, typeof onRedis | typeof fibers>> = {
  memory: fibers,
  redis: onRedis,
  etcd: onEtcd,
  postgres: onPostgres
}

/** The scene in memory, where the processes are fibers, or on a private server. */
export const scene = (backend: string) =>
  Effect.scoped(
    Effect.flatMap(crews[backend] ?? Effect.die(`${Object.keys(crews).join(" or ")}, not ${backend}`), startUp)
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(
    Effect.flatMap(
      scene(process.argv[2] ?? "memory"),
      (lines) =>
        Effect.forEach(lines, ({ line, worker }) => Console.log(`worker ${worker}: ${line}`), { discard: true })
    )
  )
}
