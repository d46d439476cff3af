// A server is down for a while; its clients stop calling it, and find out by themselves when it is back.
//   node --conditions=@heddle/source examples/20-circuit-breaker/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { CircuitBreaker } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/** Twenty requests, one each 100 ms; the server is down from the sixth to the tenth. */
export const scene = Effect.gen(function*() {
  const breaker = yield* CircuitBreaker.make({
    name: "server",
    trip: CircuitBreaker.consecutive(3),
    openFor: "1 second",
    successes: 2
  })
  const changes = yield* Effect.forkScoped(
    Stream.runForEach(breaker.changes, ({ from, to }) => Console.log(`          ${from} → ${to}`)),
    { startImmediately: true }
  )
  let reached = 0
  const answers = yield* Effect.forEach(
    Array.from({ length: 20 }, (_, index) => index + 1),
    (request) =>
      Effect.gen(function*() {
        const server = Effect.suspend(() => {
          reached++
          return request >= 6 && request <= 10 ? Effect.fail("down" as const) : Effect.succeed("served" as const)
        })
        const answer = yield* breaker.run(server).pipe(
          Effect.catch((error) => Effect.succeed(error === "down" ? error : "refused" as const))
        )
        yield* Console.log(`request ${String(request).padStart(2)} ${answer}`)
        yield* Effect.sleep("100 millis")
        return answer
      })
  )
  yield* Fiber.interrupt(changes)
  return { answers, reached, state: yield* breaker.state }
}).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { reached, state } = yield* scene
    yield* Console.log(`${reached} of 20 requests reached the server; the circuit is ${state}`)
  }))
}
