/** A process that runs one contender: `worker.ts <module> <url>`, told over its channel what to do. */
import * as Schema from "effect/Schema"
import { flushCompileCache } from "node:module"
import { setTimeout } from "node:timers/promises"
import type { Contender, Open } from "./Contender.ts"
import { now, type Report, Task, type Turn } from "./Task.ts"

const perform = async (contender: Contender, task: Task): Promise<Report> => {
  const turns: Array<Turn> = []
  const end = task.startAt / 1e6 + task.millis
  let count = 0
  const lane = (index: number) => {
    let entered = 0
    return contender.run({
      key: task.keys === "own" ? `${task.key}:${process.pid}:${index}` : task.key,
      hold: task.hold,
      pause: task.pause,
      again: () => now() / 1e6 < end,
      enter: () => {
        if (task.turns) entered = now()
      },
      leave: () => {
        count++
        if (task.turns) turns.push([index, entered, now()])
      }
    })
  }
  const early = task.startAt / 1e6 - now() / 1e6
  if (early > 0) await setTimeout(early)
  const start = now()
  const cpu = process.cpuUsage()
  await Promise.all(Array.from({ length: task.lanes }, (_, index) => lane(index)))
  const { system, user } = process.cpuUsage(cpu)
  return { count, seconds: (now() - start) / 1e9, cpuMicros: user + system, turns }
}

const [module = "", url = ""] = process.argv.slice(2)
const { open }: { readonly open: Open } = await import(module)
const contender = await open(url)

process.on("message", (message) => {
  void perform(contender, Schema.decodeUnknownSync(Task)(message)).then((report) => process.send?.(report))
})
process.on("disconnect", () => process.exit())
// Ctrl-C reaches the whole group; the parent ends this process when it is done.
process.on("SIGINT", () => {})
// It is killed in the end, and then writes none.
flushCompileCache()
process.send?.("ready")
