import * as Effect from "effect/Effect"
import type { Redis } from "ioredis"

/** Warns when the server may evict what a store keeps there, as it may by the policies of that kind. */
export const warnOfEviction = (commands: Redis, what: string, harmful: RegExp): Effect.Effect<void> =>
  Effect.tryPromise(() => commands.info("memory")).pipe(
    Effect.flatMap((info) => {
      const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? "noeviction"
      const bounded = !/maxmemory:0\s/.test(info)
      return bounded && harmful.test(policy)
        ? Effect.logWarning(`maxmemory-policy is ${policy}: Redis may evict ${what}; set it to noeviction`)
        : Effect.void
    }),
    Effect.ignore
  )
