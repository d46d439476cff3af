// One Redis, etcd, PostgreSQL and NATS for all test files of a project that uses them. A test file reads an address with `inject("redisUrl")`.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"
import * as Servers from "../packages/testkit/src/Servers.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Each is empty in projects that have no such server. */
    readonly redisUrl: string
    readonly etcdUrl: string
    readonly postgresUrl: string
    readonly natsUrl: string
  }
}

const none = Effect.succeed({ url: "" })

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const uses = (name: string) => project.name === name || project.name === "examples"
  const servers = Effect.all([
    uses("redis") ? Servers.redis : none,
    uses("etcd") ? Servers.etcd : none,
    uses("postgres") ? Servers.postgres : none,
    uses("nats") ? Servers.nats : none
  ], { concurrency: "unbounded" })
  const [redis, etcd, postgres, nats] = await Effect.runPromise(
    servers.pipe(Scope.provide(scope), Effect.onError(() => Scope.close(scope, Exit.void)))
  )
  project.provide("redisUrl", redis.url)
  project.provide("etcdUrl", etcd.url)
  project.provide("postgresUrl", postgres.url)
  project.provide("natsUrl", nats.url)
  return stop
}
