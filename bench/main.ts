/** Runs a benchmark by its name: `npm run bench -- <work> [--quick]`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { flow } from "./flow/main.ts"
import { lock } from "./lock/main.ts"
import { resilience } from "./resilience/main.ts"

const works = new Map([["flow", flow], ["lock", lock], ["resilience", resilience]])

const args = process.argv.slice(2)
const work = works.get(args.find((arg) => !arg.startsWith("-")) ?? "")

if (work === undefined || args.some((arg) => arg.startsWith("-") && arg !== "--quick")) {
  process.stderr.write(`npm run bench -- <work> [--quick]\nworks: ${[...works.keys()].join(", ")}\n`)
  process.exitCode = 2
} else {
  const fiber = Effect.runFork(Effect.scoped(work({ quick: args.includes("--quick") })))
  const stop = () => fiber.interruptUnsafe()
  process.once("SIGINT", stop).once("SIGTERM", stop)
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    if (Cause.hasInterruptsOnly(exit.cause)) process.exit(130)
    process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    process.exit(1)
  })
}
