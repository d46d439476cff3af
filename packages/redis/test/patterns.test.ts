import {
  barrierLaws,
  countDownLatchLaws,
  cronLaws,
  distributedSemaphoreLaws,
  kvLaws,
  leaderElectionLaws,
  membershipLaws,
  onceLaws,
  readWriteLockLaws
} from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterAll, inject } from "vitest"
import { RedisKvStore, RedisLeaseStore } from "../src/index.ts"
import * as RedisTest from "./RedisTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const leases = RedisLeaseStore.layer({ url: inject("redisUrl"), prefix: "patterns" })

const { admin, proxy, url } = await Effect.runPromise(Scope.provide(RedisTest.make, scope))

leaderElectionLaws("redis", RedisLeaseStore.layer({ url, commandTimeout: "2 seconds", heartbeat: "200 millis" }), {
  worker: { module: new URL("fixtures/leaseWorker.ts", import.meta.url), env: { REDIS_URL: url } },
  forget: (resource) => admin((redis) => redis.del(`heddle:{${resource}}`)),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal),
  watchers: admin((redis) => redis.call("PUBSUB", "NUMPAT").then(Number))
})
membershipLaws("redis", leases)
readWriteLockLaws("redis", leases, { resizable: true })
distributedSemaphoreLaws("redis", leases, { resizable: true })

const keys = RedisKvStore.layer({ url: inject("redisUrl"), prefix: "patterns" })

kvLaws("redis", keys)
onceLaws("redis", keys)
barrierLaws("redis", keys)
countDownLatchLaws("redis", keys)
cronLaws("redis", Layer.merge(leases, keys))
