// Two customers call an API of 20 calls a second each; one is greedy, the other does not notice.
//   node --conditions=@heddle/source examples/24-rate-limit/main.ts [memory|redis]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { RateLimiter } from "heddle/resilience"
import { fileURLToPath } from "node:url"

/** How many calls of each customer went, and how many of the greedy one's were refused. */
export const scene = (name: string) =>
  Effect.gen(function*() {
    const api = yield* RateLimiter.make({ name, limit: 20, per: "10 seconds" })
    const call = (key: string) =>
      Effect.as(api.take({ key }), "went" as const).pipe(
        Effect.catchTag(
          "RateLimited",
          ({ retryAfter }) => Effect.succeed(retryAfter > 0 ? "refused" as const : "went" as const)
        )
      )
    const many = (key: string, calls: number) =>
      Effect.forEach(Array.from({ length: calls }), () => call(key), { concurrency: "unbounded" })
    const [greedy, modest] = yield* Effect.all([many("greedy", 200), many("modest", 10)], { concurrency: "unbounded" })
    const count = (all: ReadonlyArray<string>, outcome: string) => all.filter((one) => one === outcome).length
    return { greedy: count(greedy, "went"), refused: count(greedy, "refused"), modest: count(modest, "went") }
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const backends = { memory: () => import("./memory.ts"), redis: () => import("./redis.ts") }
  const program = Effect.gen(function*() {
    const { layer } = yield* Effect.promise(process.argv[2] === "redis" ? backends.redis : backends.memory)
    const { greedy, modest, refused } = yield* Effect.provide(scene("demo"), layer)
    yield* Console.log(`greedy: ${greedy} calls went, ${refused} were refused; modest: ${modest} went`)
  })
  NodeRuntime.runMain(program)
}
