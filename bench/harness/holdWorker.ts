/** A process that holds as many leases as it is told, 0 at first: `holdWorker.ts <module> <url>`. */
import * as Schema from "effect/Schema"
import type { Hold, Weighed } from "./Holding.ts"

const [module = "", url = ""] = process.argv.slice(2)
const { hold }: { readonly hold: Hold } = await import(module)

const weigh = (): typeof Weighed.Type => {
  const { system, user } = process.cpuUsage()
  globalThis.gc?.()
  return { heap: process.memoryUsage().heapUsed, cpuMicros: user + system }
}

process.on("message", (message) => {
  const count = Schema.decodeUnknownSync(Schema.Int)(message)
  void (count === 0 ? Promise.resolve() : hold(url, count)).then(() => process.send?.(weigh()))
})
process.on("disconnect", () => process.exit())
process.on("SIGINT", () => {})
process.send?.("ready")
