/**
 * A distributed lock beside its peers: take and release that nobody contends for, hand-over among ten waiters, and what
 * the lock costs where there is no network at all.
 */
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { handOverTable, rateTable, summary } from "../harness/lockTables.ts"
import { contended, free, uncontended } from "../harness/lockTasks.ts"
import { type Contending, type Part, type Wish, Work } from "../harness/Work.ts"

const inMemory = [
  ["promise chain a key", "local/mutex.ts"],
  ["Effect Semaphore a key", "local/semaphore.ts"],
  ["heddle on layerMemory", "local/heddle.ts"]
] as const

const stepping = [["bare", "local/steps.ts"], ["in a section", "local/guarded-steps.ts"]] as const

const redisPeers = [["redlock", "redis/redlock.ts"], ["redis-semaphore", "redis/redis-semaphore.ts"]] as const
const redisHeddle = ["heddle", "redis/heddle.ts"] as const
const redisFree = [
  ["raw ioredis", "redis/raw.ts"],
  ["raw, auto-pipelining", "redis/raw-pipelined.ts"],
  ...redisPeers,
  redisHeddle
] as const
const redisLine = [
  ["direct hand-over in Lua", "redis/direct.ts"],
  ...redisPeers,
  redisHeddle,
  ["heddle, cohort", "redis/heddle-cohort.ts"]
] as const
const etcdLine = [
  ["classic recipe", "etcd/classic.ts"],
  ["etcd3 lock", "etcd/etcd3.ts"],
  ["heddle", "etcd/heddle.ts"]
] as const

const oneKey = { "64 on one key": { ...free, keys: "same", hold: "microtask", lanes: 64 } } as const

const nowhere = Effect.succeed({ url: "" })

export const lock = (wish: Wish) =>
  Effect.gen(function*() {
    const work = new Work("lock", wish, import.meta.url)
    const waiters = wish.quick ? 4 : 10
    const redis = yield* Effect.cached(Servers.redis)
    const etcd = yield* Effect.cached(Servers.etcd)

    const rates = <E, R>(
      title: string,
      server: Part<E, R>["server"],
      contenders: ReadonlyArray<Contending>,
      plan: Part<E, R>["plan"]
    ) => work.compare({ title, contenders, processes: 1, server, plan, table: rateTable, summary })

    const handOver = <E, R>(
      title: string,
      server: Part<E, R>["server"],
      contenders: ReadonlyArray<Contending>,
      { millis, rounds }: Pick<Part<E, R>["plan"], "millis" | "rounds">
    ) =>
      Effect.forEach([waiters, 1], (processes) =>
        work.compare({
          title: `${title}: hand-over among ${
            processes === 1 ? `${waiters} callers of one process` : `${waiters} processes`
          }, ms`,
          contenders,
          processes,
          server,
          plan: { tasks: contended(waiters / processes), rounds, millis },
          table: handOverTable(waiters),
          summary
        }))

    const memoryPlan = { tasks: { ...uncontended, ...oneKey }, rounds: 5, millis: 500 }
    yield* rates("In memory: take and release, operations a second", nowhere, inMemory, memoryPlan)
    const stepsPlan = { tasks: { "1": { ...free, lanes: 1 } }, rounds: 5, millis: 150 }
    yield* rates("A thousand steps of Effect, CPU µs (so ns a step)", nowhere, stepping, stepsPlan)
    const redisPlan = { tasks: uncontended, rounds: 5, millis: 1000 }
    yield* rates("Redis: take and release, ops a second", redis, redisFree, redisPlan)
    yield* handOver("Redis", redis, redisLine, { rounds: 3, millis: 500 })
    yield* handOver("etcd", etcd, etcdLine, { rounds: 2, millis: 700 })
    yield* work.save
  })
