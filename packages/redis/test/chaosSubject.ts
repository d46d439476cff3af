import { Chaos, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { RedisKvStore, RedisLeaseStore, RedlockLeaseStore } from "../src/index.ts"
import { slotOf } from "../src/internal/slots.ts"
import * as Slots from "./clusterSlots.ts"

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

/** A cluster of three masters, of which one at a time is harmed, and whose slots move with all that is in them. */
export const cluster = Chaos.onServers({
  name: "redis-cluster",
  start: Effect.gen(function*() {
    const servers = yield* Servers.redisCluster()
    const nodes = yield* Effect.forEach(servers, Slots.nodeOf)
    yield* Effect.promise(() =>
      Promise.all(nodes.map(({ client }) => client.config("SET", "cluster-require-full-coverage", "no")))
    )
    return { servers, faults: moving(nodes) }
  }),
  leases: (cluster) => RedisLeaseStore.layer({ cluster, commandTimeout: "1 second", heartbeat: "200 millis" }),
  keys: (cluster) => RedisKvStore.layer({ cluster, commandTimeout: "1 second" }),
  worker: (urls) => ({
    module: new URL("fixtures/clusterWorker.ts", import.meta.url),
    env: { REDIS_CLUSTER: urls.join(",") }
  }),
  direct: true
})

/** All slots that have keys go to another node: the keys at once and the slots when it is healed, or both only then. */
const moving = (nodes: ReadonlyArray<Slots.Node>): ReadonlyArray<Chaos.Fault> => {
  const move = (by: number, atOnce: boolean) =>
    Effect.gen(function*() {
      const kept = yield* Effect.promise(() => Promise.all(nodes.map(({ client }) => client.keys("*"))))
      for (const [n, from] of nodes.entries()) {
        const to = nodes[(n + by) % nodes.length] ?? from
        for (const [slot, keys] of Map.groupBy(kept[n] ?? [], slotOf)) {
          yield* Effect.acquireRelease(Slots.open(slot, from, to), () => Slots.close(slot, from, to, nodes))
          if (atOnce) yield* Slots.carry(from, to, ...keys)
        }
      }
    })
  return [
    { name: "move keys, then slots", lane: "servers", strike: move(1, true) },
    { name: "move keys and slots", lane: "servers", strike: move(2, false) },
    { name: "move keys, then slots, back", lane: "servers", strike: move(2, true) },
    { name: "move keys and slots, back", lane: "servers", strike: move(1, false) }
  ]
}
