/** Runs a benchmark by its name: `npm run bench -- <work> [--quick] [--only <part>]`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { parseArgs } from "node:util"
import { coordination } from "./coordination/main.ts"
import { flow } from "./flow/main.ts"
import { grpc } from "./grpc/main.ts"
import { lock } from "./lock/main.ts"
import { messaging } from "./messaging/main.ts"
import { observed } from "./observed/main.ts"
import { resilience } from "./resilience/main.ts"

const works = new Map([
  ["coordination", coordination],
  ["flow", flow],
  ["grpc", grpc],
  ["lock", lock],
  ["messaging", messaging],
  ["observed", observed],
  ["resilience", resilience]
])

const usage = `npm run bench -- <work> [--quick] [--only <a part of a title>]\nworks: ${[...works.keys()].join(", ")}\n`

const options = { quick: { type: "boolean", default: false }, only: { type: "string" } } as const
const asked = Effect.runSync(Effect.option(Effect.try(() => parseArgs({ options, allowPositionals: true }))))
const { positionals = [], values } = Option.getOrUndefined(asked) ?? {}
const work = works.get(positionals.length === 1 ? positionals[0] ?? "" : "")

if (work === undefined || values === undefined) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  const fiber = Effect.runFork(Effect.scoped(work({ quick: values.quick, only: values.only })))
  const stop = () => fiber.interruptUnsafe()
  process.once("SIGINT", stop).once("SIGTERM", stop)
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    if (Cause.hasInterruptsOnly(exit.cause)) process.exit(130)
    process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    process.exit(1)
  })
}
