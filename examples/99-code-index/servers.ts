import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Server from "../01-one-at-a-time/server.ts"
import type { Screen } from "./screen.ts"
import type { Stack } from "./stack.ts"

/** Which backend has what, as one word on the command line says it. What a backend does not have is on another. */
export const presets = {
  memory: { leases: "memory", jobs: "memory", topics: "memory" },
  redis: { leases: "redis", jobs: "redis", topics: "redis" },
  postgres: { leases: "postgres", jobs: "postgres", topics: "postgres" },
  etcd: { leases: "etcd", jobs: "postgres", topics: "postgres" },
  nats: { leases: "redis", jobs: "nats", topics: "nats" },
  rabbitmq: { leases: "redis", jobs: "redis", topics: "rabbitmq" }
} as const

interface Choice {
  readonly leases: Stack["leases"]["backend"]
  readonly jobs: Stack["jobs"]["backend"]
  readonly topics: Stack["topics"]["backend"]
}

/**
 * The addresses of what was chosen: those in `HEDDLE_REDIS_URL` and its like, or those of private servers, which end with the scope.
 */
export const start = (choice: Choice, screen: Screen) =>
  Effect.gen(function*() {
    const urls = new Map<string, string>([["memory", ""]])
    for (const backend of [choice.leases, choice.jobs, choice.topics]) {
      if (backend === "memory" || urls.has(backend)) continue
      urls.set(backend, yield* Server.address(backend, Option.none(), screen))
    }
    const at = <B extends string>(backend: B) => ({ backend, url: urls.get(backend) ?? "" })
    const stack: Stack = { leases: at(choice.leases), jobs: at(choice.jobs), topics: at(choice.topics) }
    return stack
  })
