/** A process that runs one `Load`: `loadWorker.ts <module> <url>`, told over its channel how many pieces to do. */
import * as Schema from "effect/Schema"
import { GCProfiler } from "node:v8"
import type { Load, Open, Weight } from "./Load.ts"
import { now } from "./Task.ts"

/** The most that the heap holds while the work is done. */
const weigh = async (load: Load, count: number): Promise<Pick<Weight, "heap">> => {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const profiler = new GCProfiler()
  profiler.start()
  await load.run(count)
  const after = process.memoryUsage().heapUsed
  const collected = profiler.stop().statistics.map(({ beforeGC }) => beforeGC.heapStatistics.usedHeapSize)
  return { heap: (Math.max(after, ...collected) - before) / 1e6 }
}

/** Does it once more: a collection that was asked for makes V8 compile anew what it runs next. */
const time = async (load: Load, count: number): Promise<Omit<Weight, "heap">> => {
  const cpu = process.cpuUsage()
  const start = now()
  await load.run(count)
  const seconds = (now() - start) / 1e9
  const { system, user } = process.cpuUsage(cpu)
  return { count, seconds, cpuMicros: user + system }
}

const [module = "", url = ""] = process.argv.slice(2)
const { open }: { readonly open: Open } = await import(module)
const load = await open(url)

process.on("message", (message) => {
  const count = Schema.decodeUnknownSync(Schema.Int)(message)
  void weigh(load, count).then(async (heap) => process.send?.({ ...heap, ...await time(load, count) }))
})
process.on("disconnect", () => process.exit())
process.on("SIGINT", () => {})
process.send?.("ready")
