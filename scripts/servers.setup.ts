// One Redis, one etcd and one PostgreSQL for all test files of a project, and one NATS for those projects that use it. A test file reads an address with `inject("redisUrl")`.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"
import * as Servers from "../packages/testkit/src/Servers.ts"

declare module "vitest" {
  interface ProvidedContext {
    readonly redisUrl: string
    readonly etcdUrl: string
    readonly postgresUrl: string
    /** Empty in projects without NATS. */
    readonly natsUrl: string
  }
}

const withNats = new Set(["examples"])

export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scope = Scope.makeUnsafe()
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const nats = withNats.has(project.name) ? Servers.nats : Effect.succeed({ url: "" })
  const servers = Effect.all([Servers.redis, Servers.etcd, Servers.postgres, nats], { concurrency: "unbounded" })
  const [redis, etcd, postgres, { url: natsUrl }] = await Effect.runPromise(
    servers.pipe(Scope.provide(scope), Effect.onError(() => Scope.close(scope, Exit.void)))
  )
  project.provide("redisUrl", redis.url)
  project.provide("etcdUrl", etcd.url)
  project.provide("postgresUrl", postgres.url)
  project.provide("natsUrl", natsUrl)
  return stop
}
