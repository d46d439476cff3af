import * as Effect from "effect/Effect"
import { Cluster, type Redis } from "ioredis"

/** Warns when a server may evict what a store keeps there, as it may by the policies of that kind. */
export const warnOfEviction = (commands: Redis | Cluster, what: string, harmful: RegExp): Effect.Effect<void> =>
  Effect.forEach(
    commands instanceof Cluster ? commands.nodes("master") : [commands],
    (server) =>
      Effect.tryPromise(() => server.info("memory")).pipe(
        Effect.map((info) => {
          const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? "noeviction"
          return !/maxmemory:0\s/.test(info) && harmful.test(policy) ? [policy] : []
        }),
        Effect.orElseSucceed(() => [])
      ),
    { concurrency: "unbounded" }
  ).pipe(
    Effect.flatMap((found) => {
      const [policy] = found.flat()
      return policy === undefined
        ? Effect.void
        : Effect.logWarning(`maxmemory-policy is ${policy}: Redis may evict ${what}; set it to noeviction`)
    })
  )
