/** A process that runs one `Load`: `loadWorker.ts <module> <url>`, told over its channel how many pieces to do. */
import * as Schema from "effect/Schema"
import { GCProfiler } from "node:v8"
import type { Load, Open, Weight } from "./Load.ts"
import { now } from "./Task.ts"

const perform = async (load: Load, count: number): Promise<Weight> => {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const profiler = new GCProfiler()
  profiler.start()
  const cpu = process.cpuUsage()
  const start = now()
  await load.run(count)
  const seconds = (now() - start) / 1e9
  const { system, user } = process.cpuUsage(cpu)
  const after = process.memoryUsage().heapUsed
  const collected = profiler.stop().statistics.map(({ beforeGC }) => beforeGC.heapStatistics.usedHeapSize)
  return { count, seconds, cpuMicros: user + system, heap: (Math.max(after, ...collected) - before) / 1e6 }
}

const [module = "", url = ""] = process.argv.slice(2)
const { open }: { readonly open: Open } = await import(module)
const load = await open(url)

process.on("message", (message) => {
  void perform(load, Schema.decodeUnknownSync(Schema.Int)(message)).then((weight) => process.send?.(weight))
})
process.on("disconnect", () => process.exit())
process.on("SIGINT", () => {})
process.send?.("ready")
