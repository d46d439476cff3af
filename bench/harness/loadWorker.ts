/** A process that runs one `Load`: `loadWorker.ts <module> <url>`, told over its channel what to do. */
import * as Schema from "effect/Schema"
import { GCProfiler } from "node:v8"
import type { Heap, Load, Open, Weight } from "./Load.ts"
import { now } from "./Task.ts"

/** What is asked for: to do so many pieces, and to tell what they took when they were done so often `before`, or how much the heap held. */
const Order = Schema.Struct({ count: Schema.Int, before: Schema.Int, weigh: Schema.Boolean })

/** The most that the heap holds while the work is done. */
const weigh = async (load: Load, count: number): Promise<Heap> => {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const profiler = new GCProfiler()
  profiler.start()
  await load.run(count)
  const after = process.memoryUsage().heapUsed
  const collected = profiler.stop().statistics.map(({ beforeGC }) => beforeGC.heapStatistics.usedHeapSize)
  return { heap: (Math.max(after, ...collected) - before) / 1e6 }
}

/** Does it so often before: while the others had their turns V8 has used the rest to collect, and forgotten compiled code. */
const time = async (load: Load, count: number, before: number): Promise<Weight> => {
  for (let run = 0; run < before; run++) await load.run(count)
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
  const order = Schema.decodeUnknownSync(Order)(message)
  void (order.weigh ? weigh(load, order.count) : time(load, order.count, order.before)).then((told) =>
    process.send?.(told)
  )
})
process.on("disconnect", () => process.exit())
process.on("SIGINT", () => {})
process.send?.("ready")
