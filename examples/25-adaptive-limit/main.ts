// Thirty clients ask a server that works on ten at once. Nobody has told the limiter; the server has a bad day in between.
//   node --conditions=@heddle/source examples/25-adaptive-limit/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import { AdaptiveLimiter } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/** The limit at the end of three times of so many seconds: as it should be, with half of the server, and whole again. */
export const scene = (seconds: number) =>
  Effect.gen(function*() {
    const limiter = yield* AdaptiveLimiter.make({ name: "server" })
    const server = yield* Semaphore.make(10)
    let served = 0
    const request = Effect.andThen(server.withPermits(1)(Effect.sleep("50 millis")), Effect.sync(() => served++))
    const client = limiter.run(request).pipe(
      Effect.catchTag("LimitReached", () => Effect.sleep("100 millis")),
      Effect.forever
    )
    const clients = yield* Effect.forEach(Array.from({ length: 30 }), () => Effect.forkChild(client))

    const time = (title: string, places: number) =>
      Effect.gen(function*() {
        yield* server.resize(places)
        yield* Effect.sleep(`${seconds} seconds`)
        const { limit } = yield* limiter.occupancy
        yield* Console.log(`${title.padEnd(16)} limit ${String(limit).padStart(2)}, ${served} served so far`)
        return limit
      })
    const limits = [yield* time("ten at once", 10), yield* time("five at once", 5), yield* time("ten again", 10)]
    yield* Fiber.interruptAll(clients)
    return { limits, served }
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) NodeRuntime.runMain(scene(4))
