import { Chaos, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { RedisKvStore, RedisLeaseStore, RedlockLeaseStore } from "../src/index.ts"

const module = new URL("fixtures/leaseWorker.ts", import.meta.url)

/** One server. It keeps its data when it is killed; without its data its tokens still grow, and nothing else is promised. */
export const subject = Chaos.onServers({
  name: "redis",
  start: Effect.map(Servers.redis, (server) => ({ servers: [server] })),
  leases: ([url]) => RedisLeaseStore.layer({ url, commandTimeout: "1 second", heartbeat: "200 millis" }),
  keys: ([url]) => RedisKvStore.layer({ url, commandTimeout: "1 second" }),
  worker: ([url]) => ({ module, env: { REDIS_URL: url } }),
  wiped: "tokens"
})

/** Three servers that know nothing of each other, of which one at a time is harmed, and may lose its data. */
export const redlock = Chaos.onServers({
  name: "redlock",
  start: Effect.map(Servers.redisNodes(3), (servers) => ({ servers })),
  leases: (urls) => RedlockLeaseStore.layerFenced({ urls, longestTtl: "3 seconds", heartbeat: "200 millis" }),
  wiped: "all",
  exclusive: true
})
