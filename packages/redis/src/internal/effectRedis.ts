import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Redis as EffectRedis } from "effect/persistence"
import { createHash } from "node:crypto"
import { Redis } from "../Redis.ts"
import { unavailable } from "./unavailable.ts"

/**
 * Effect's `Redis` on Heddle's connection, for stores of Effect that run scripts. A script is sent by its digest, to the node that
 * has its key, and whole where that node does not know it. It is not for subscriptions, nor for connections of one's own.
 */
export const effectRedis: Layer.Layer<EffectRedis.Redis, never, Redis> = Layer.effect(
  EffectRedis.Redis,
  Effect.gen(function*() {
    const { address, commandTimeout, commands } = yield* Redis
    const failed = (cause: unknown) => new EffectRedis.RedisError({ cause: unavailable(address, cause) })
    const absent = Effect.fail(failed("this connection runs scripts alone"))

    // What comes back has the type that the caller says, as Effect's own client has it.
    function send<A>(command: string, ...args: ReadonlyArray<string>): Effect.Effect<A, EffectRedis.RedisError>
    function send(command: string, ...args: ReadonlyArray<string>): Effect.Effect<unknown, EffectRedis.RedisError> {
      return Effect.timeoutOrElse(
        Effect.tryPromise({ try: () => commands.call(command, ...args), catch: failed }),
        { duration: commandTimeout, orElse: () => Effect.fail(failed("timed out")) }
      )
    }

    const digests = new Map<string, string>()
    const digestOf = (lua: string): string => {
      const known = digests.get(lua) ?? createHash("sha1").update(lua).digest("hex")
      digests.set(lua, known)
      return known
    }

    const service = yield* EffectRedis.make({ send, subscribe: () => absent, connect: absent })
    return EffectRedis.Redis.of({
      ...service,
      eval: (script) => (...params) => {
        const args = [String(script.numberOfKeys(...params)), ...script.params(...params).map(String)]
        return send<(typeof script)["~effect/persistence/Redis/Script"]["result"]>(
          "EVALSHA",
          digestOf(script.lua),
          ...args
        ).pipe(
          Effect.catchIf(isUnknownScript, () => send("EVAL", script.lua, ...args))
        )
      }
    })
  })
)

const isUnknownScript = ({ cause }: EffectRedis.RedisError): boolean => String(cause).includes("NOSCRIPT")
