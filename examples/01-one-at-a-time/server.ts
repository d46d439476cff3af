import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Progress } from "./progress.ts"

/** The address that was given, or that of a private server, which ends with the scope. */
export const address = (
  backend: "redis" | "etcd" | "postgres" | "nats" | "rabbitmq",
  given: Option.Option<string>,
  { say }: Pick<Progress, "say">
) =>
  Effect.gen(function*() {
    if (Option.isSome(given)) return given.value
    yield* say(`starting a private ${backend}… (the first time it may be fetched, which takes a while)`)
    const { Servers } = yield* Effect.promise(() => import("@heddle/testkit"))
    const still = Effect.forever(Effect.delay(say(`still starting ${backend}…`), "5 seconds"))
    const server = yield* Effect.raceFirst(Servers[backend], still)
    yield* say(`${backend} answers at ${server.url}`)
    return server.url
  })
