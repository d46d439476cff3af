/** Many leases held in one process on Redis: what their renewals and their memory cost. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Redis } from "ioredis"
import type { ChildProcess } from "node:child_process"
import { answer, type CrewFailed, type Entry, startOne } from "./Crew.ts"
import { ttl, Weighed } from "./Holding.ts"
import { round, table } from "./stats.ts"

/** What each contender costs while it holds so many leases for one ttl, in which each is renewed three times. */
export const holdings = (
  entries: ReadonlyArray<Entry>,
  count: number
): Effect.Effect<readonly [table: string, figures: unknown], CrewFailed> =>
  Effect.gen(function*() {
    const figures = yield* Effect.forEach(entries, (entry) => Effect.scoped(holding(entry, count)))
    const heads = ["", "script calls a ttl/3", "client CPU ms a s", "server CPU ms a s", "client bytes", "server bytes"]
    const rows = figures.map(({ bytes, calls, client, kept, name, server }) =>
      [name].concat([calls, client, server, bytes, kept].map((value) => round(value)))
    )
    return [table(heads, rows), figures] as const
  })

const holding = (entry: Entry, count: number) =>
  Effect.gen(function*() {
    const child = yield* startOne(entry, "holdWorker.ts", ["--expose-gc"])
    const redis = yield* Effect.acquireRelease(
      Effect.sync(() => new Redis(entry.url)),
      (redis) => Effect.sync(() => redis.disconnect())
    )
    yield* Effect.promise(() => redis.flushall())
    // One lease beforehand, so that what a first one brings along does not count.
    yield* told(entry, child, 1)
    const empty = yield* told(entry, child, 0)
    const emptyServer = yield* serverOf(redis)
    const full = yield* told(entry, child, count)
    const began = yield* serverOf(redis)
    yield* Effect.sleep(ttl)
    const after = yield* told(entry, child, 0)
    const ended = yield* serverOf(redis)
    const seconds = (ended.at - began.at) / 1000
    return {
      name: entry.name,
      calls: (ended.calls - began.calls) / seconds * ttl / 3000,
      client: (after.cpuMicros - full.cpuMicros) / 1000 / seconds,
      server: (ended.cpu - began.cpu) * 1000 / seconds,
      bytes: (full.heap - empty.heap) / count,
      kept: (began.memory - emptyServer.memory) / count
    }
  })

const told = (entry: Entry, child: ChildProcess, count: number): Effect.Effect<typeof Weighed.Type, CrewFailed> =>
  Effect.suspend(() => {
    child.removeAllListeners("exit").removeAllListeners("message")
    child.send(count)
    return Effect.map(answer(entry.name, child, "60 seconds"), Schema.decodeUnknownSync(Weighed))
  })

const serverOf = (redis: Redis) =>
  Effect.promise(async () => {
    const text = await redis.info("all")
    const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0)
    return {
      at: performance.now(),
      calls: number(/cmdstat_evalsha:calls=(\d+)/) + number(/cmdstat_eval:calls=(\d+)/),
      cpu: number(/used_cpu_user:([\d.]+)/) + number(/used_cpu_sys:([\d.]+)/),
      memory: number(/used_memory:(\d+)/)
    }
  })
