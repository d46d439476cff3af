/** A process that sits down when it is told a seat, and tells when it has it: `seatWorker.ts <module> <url>`. */
import * as Schema from "effect/Schema"
import type { Sit } from "./Seat.ts"
import { now } from "./Task.ts"

const [module = "", url = ""] = process.argv.slice(2)
const { sit }: { readonly sit: Sit } = await import(module)

process.on("message", (message) => {
  void sit(url, Schema.decodeUnknownSync(Schema.String)(message)).then(() => process.send?.(now()))
})
process.on("disconnect", () => process.exit())
process.on("SIGINT", () => {})
process.send?.("ready")
