/**
 * What coordination costs beside its peers: locks on PostgreSQL, hand-over on etcd, a semaphore on Redis, fail-over, and the
 * renewal of many leases.
 */
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { failOvers } from "../harness/failOver.ts"
import { holdings } from "../harness/holdings.ts"
import { handOverTable, rateTable, summary } from "../harness/lockTables.ts"
import { contended, uncontended } from "../harness/lockTasks.ts"
import { type Contending, type Part, type Wish, Work } from "../harness/Work.ts"

const postgresFree = [
  ["raw pg, a connection a caller", "postgres/raw.ts"],
  ["raw pg, one connection", "postgres/raw-one.ts"],
  ["heddle, advisory locks", "postgres/advisory.ts"],
  ["heddle, tables", "postgres/table.ts"]
] as const
const postgresLine = postgresFree.filter(([, file]) => file !== "postgres/raw-one.ts")
const etcdLine = [
  ["classic recipe", "../lock/etcd/classic.ts"],
  ["etcd3 lock", "../lock/etcd/etcd3.ts"],
  ["heddle", "../lock/etcd/heddle.ts"]
] as const
const semaphoreLine = [
  ["heddle, DistributedLock", "../lock/redis/heddle.ts"],
  ["heddle, DistributedSemaphore", "redis/semaphore.ts"],
  ["redis-semaphore, polling each 10 ms", "redis/redis-semaphore.ts"]
] as const

const postgresSeats = [
  ["raw pg_advisory_lock", "failover/postgres-raw.ts"],
  ["heddle, advisory locks", "failover/postgres-advisory.ts"],
  ["heddle, tables", "failover/postgres-table.ts"]
] as const
const redisSeats = [
  ["redlock", "failover/redis-redlock.ts"],
  ["redis-semaphore", "failover/redis-semaphore.ts"],
  ["heddle", "failover/redis-heddle.ts"]
] as const
const etcdSeats = [
  ["classic recipe", "failover/etcd-classic.ts"],
  ["etcd3 election", "failover/etcd-etcd3.ts"],
  ["heddle", "failover/etcd-heddle.ts"]
] as const

const holders = [
  ["redlock", "held/redlock.ts"],
  ["redis-semaphore", "held/redis-semaphore.ts"],
  ["heddle, leases", "held/leases.ts"],
  ["heddle, sections under locks", "held/sections.ts"]
] as const

export const coordination = (wish: Wish) =>
  Effect.gen(function*() {
    const work = new Work("coordination", wish, import.meta.url)
    const waiters = wish.quick ? 4 : 10
    const redis = yield* Effect.cached(Servers.redis)
    const etcd = yield* Effect.cached(Servers.etcd)
    const postgres = yield* Effect.cached(Servers.postgres)

    const handOver = <E, R>(
      title: string,
      server: Part<E, R>["server"],
      contenders: ReadonlyArray<Contending>,
      millis: number
    ) =>
      Effect.forEach([waiters, 1], (processes) => {
        const callers = processes === 1 ? `${waiters} callers of one process` : `${waiters} processes`
        const plan = { tasks: contended(waiters / processes), rounds: 3, millis }
        const table = handOverTable(waiters)
        return work.compare({
          title: `${title}: hand-over among ${callers}, ms`,
          contenders,
          processes,
          server,
          plan,
          table,
          summary
        })
      })

    const failOver = <E, R>(title: string, server: Part<E, R>["server"], seats: ReadonlyArray<Contending>) =>
      work.part(
        `${title}: fail-over after SIGKILL, ms`,
        Effect.flatMap(server, ({ url }) => failOvers(seats.map((seat) => work.entry(seat, url)), wish.quick ? 1 : 5))
      )

    yield* work.compare({
      title: "PostgreSQL: take and release, operations a second",
      contenders: postgresFree,
      processes: 1,
      server: postgres,
      plan: { tasks: uncontended, rounds: 5, millis: 1000 },
      table: rateTable,
      summary
    })
    yield* handOver("PostgreSQL", postgres, postgresLine, 500)
    yield* handOver("etcd", etcd, etcdLine, 700)
    yield* handOver("Semaphore on Redis", redis, semaphoreLine, 500)
    yield* failOver("PostgreSQL", postgres, postgresSeats)
    yield* failOver("Redis", redis, redisSeats)
    yield* failOver("etcd", etcd, etcdSeats)
    const held = wish.quick ? 1000 : 10_000
    yield* work.part(
      `Redis: ${held.toLocaleString("en-US")} leases held in one process, each renewed three times a ttl`,
      Effect.flatMap(redis, ({ url }) => holdings(holders.map((holder) => work.entry(holder, url)), held))
    )
    yield* work.save
  })
