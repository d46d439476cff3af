/**
 * A distributed lock beside its peers: take and release that nobody contends for, hand-over among ten waiters, and what
 * the lock costs where there is no network at all.
 */
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { type Entry, start } from "../harness/Crew.ts"
import { type Plan, type Results, run } from "../harness/rounds.ts"
import { handOverTable, rateTable, summary } from "./tables.ts"

const entry = (url: string) => ([name, file]: readonly [string, string]): Entry => ({
  name,
  module: new URL(file, import.meta.url),
  url
})

const inMemory = ([
  ["promise chain a key", "local/mutex.ts"],
  ["Effect Semaphore a key", "local/semaphore.ts"],
  ["heddle on layerMemory", "local/heddle.ts"]
] as const).map(entry(""))

const stepping = ([["bare", "local/steps.ts"], ["in a section", "local/guarded-steps.ts"]] as const).map(entry(""))

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

const free = { keys: "own", hold: "none", pause: 0, turns: false } as const
const uncontended: Plan["tasks"] = { "1": { ...free, lanes: 1 }, "64": { ...free, lanes: 64 } }
const oneKey: Plan["tasks"] = { "64 on one key": { ...free, keys: "same", hold: "microtask", lanes: 64 } }

/**
 * `polite`: a section lasts 1 ms and its caller steps back for 2 ms after it. `greedy`: a section is over at once, and its
 * caller asks again at once.
 */
const contended = (lanes: number): Plan["tasks"] => {
  const line = { keys: "same", turns: true, lanes } as const
  return {
    polite: { ...line, hold: "millisecond", pause: 2 },
    greedy: { ...line, hold: "microtask", pause: 0 }
  }
}

export const lock = ({ quick }: { readonly quick: boolean }) =>
  Effect.gen(function*() {
    const began = performance.now()
    const waiters = quick ? 4 : 10
    const figures: Record<string, unknown> = {}

    const compare = (
      title: string,
      entries: ReadonlyArray<Entry>,
      processes: number,
      plan: Pick<Plan, "tasks" | "millis" | "rounds">,
      table: (results: Results, first: string) => string
    ) =>
      Effect.scoped(Effect.gen(function*() {
        process.stderr.write(`${title}: starting\n`)
        const crews = yield* Effect.forEach(entries, (entry) => start(entry, processes))
        const shortened = quick ? { ...plan, rounds: 1, millis: plan.millis / 3 } : plan
        const results = yield* run(title, { ...shortened, crews })
        figures[title] = summary(results)
        process.stdout.write(`\n${title}\n\n${table(results, entries[0]?.name ?? "")}\n`)
      }))

    const memoryPlan = { tasks: { ...uncontended, ...oneKey }, rounds: 5, millis: 500 }
    yield* compare("In memory: take and release, operations a second", inMemory, 1, memoryPlan, rateTable)
    const stepsPlan = { tasks: { "1": { ...free, lanes: 1 } }, rounds: 5, millis: 150 }
    yield* compare("A thousand steps of Effect, CPU µs (so ns a step)", stepping, 1, stepsPlan, rateTable)

    const redis = yield* Servers.redis
    const redisPlan = { tasks: uncontended, rounds: 5, millis: 1000 }
    yield* compare("Redis: take and release, ops a second", redisFree.map(entry(redis.url)), 1, redisPlan, rateTable)

    const handOver = (title: string, entries: ReadonlyArray<Entry>, rounds: number, millis: number) =>
      Effect.forEach([waiters, 1], (processes) => {
        const where = processes === 1 ? `${waiters} callers of one process` : `${waiters} processes`
        const plan = { tasks: contended(waiters / processes), rounds, millis }
        return compare(`${title}: hand-over among ${where}, ms`, entries, processes, plan, handOverTable(waiters))
      })

    yield* handOver("Redis", redisLine.map(entry(redis.url)), 3, 500)
    const etcd = yield* Servers.etcd
    yield* handOver("etcd", etcdLine.map(entry(etcd.url)), 2, 700)

    mkdirSync(".cache/bench", { recursive: true })
    writeFileSync(".cache/bench/lock.json", JSON.stringify(figures, null, 2))
    process.stderr.write(`\n${((performance.now() - began) / 1000).toFixed()} s; also in .cache/bench/lock.json\n`)
  })
