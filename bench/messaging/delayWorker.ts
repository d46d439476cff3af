/**
 * A process that enqueues, told over its channel how many jobs and how far apart; with `?work` behind its module one that works, and
 * tells how long each of so many jobs took to its start: `delayWorker.ts <module> <url>`.
 */
import * as Schema from "effect/Schema"
import { setTimeout as sleep } from "node:timers/promises"
import { now } from "../harness/Task.ts"
import type { Connect, Payload } from "./Queue.ts"

/** How many jobs, and how many milliseconds lie between two of them. */
export const Order = Schema.Struct({ count: Schema.Int, pause: Schema.Number })
export type Order = typeof Order.Type
const orderOf = Schema.decodeUnknownSync(Order)

const works = (connect: Connect, url: string) => {
  let delays: Array<number> = []
  let due = 0
  process.on("message", (message) => {
    delays = []
    due = orderOf(message).count
  })
  return connect(url, ({ at }: Payload) => {
    delays.push((now() - at) / 1e6)
    if (delays.length === due) process.send?.(delays)
  })
}

const enqueues = async (connect: Connect, url: string) => {
  const queue = await connect(url, undefined)
  process.on("message", (message) => {
    const { count, pause } = orderOf(message)
    const enqueue = async (): Promise<void> => {
      for (let sent = 0; sent < count; sent++) {
        await sleep(pause)
        await queue.one({ at: now() })
      }
    }
    void enqueue()
  })
}

const [module = "", url = ""] = process.argv.slice(2)
const { connect }: { readonly connect: Connect } = await import(module)
await (new URL(module).searchParams.has("work") ? works : enqueues)(connect, url)
process.on("disconnect", () => process.exit())
process.on("SIGINT", () => {})
process.send?.("ready")
