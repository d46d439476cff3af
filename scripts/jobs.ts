/** Has many jobs done by processes of which some are killed, and accounts for each: `npm run jobs -- [--backend redis|postgres|nats] [--jobs N] …`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { parseArgs } from "node:util"
import * as JobRound from "../packages/testkit/src/JobRound.ts"

const subjects = new Map<string, () => Promise<{ readonly subject: JobRound.Subject }>>([
  ["redis", () => import("../packages/redis/test/jobSubject.ts")],
  ["postgres", () => import("../packages/postgres/test/jobSubject.ts")],
  ["nats", () => import("../packages/nats/test/jobSubject.ts")]
])

const usage = `npm run jobs -- [--backend ${
  [...subjects.keys()].join("|")
}] [--jobs N] [--kills N] [--restarts N] [--seed S]

  --backend   where the jobs are; default redis
  --jobs      how many there are; default 100000
  --kills     how many of the four workers, and of those that come for them, are killed; default 8
  --restarts  how often the server is killed and started again with its data; default 0
  --seed      chooses whom and when; default is a new one
`

const print = (line: string): void => void process.stdout.write(`${line}\n`)

const options = {
  backend: { type: "string", default: "redis" },
  jobs: { type: "string", default: "100000" },
  kills: { type: "string", default: "8" },
  restarts: { type: "string", default: "0" },
  seed: { type: "string" }
} as const

const { seed = `${Math.floor(Math.random() * 2 ** 32)}`, ...given } = parseArgs({ options }).values
const load = subjects.get(given.backend)
const numbers = [given.jobs, given.kills, given.restarts, seed]

if (load === undefined || numbers.some((text) => !/^\d{1,10}$/.test(text))) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  const { subject } = await load()
  const [jobs = 0, kills = 0, restarts = 0] = numbers.map(Number)
  const fiber = Effect.runFork(JobRound.run(subject, { jobs, kills, restarts, seed: Number(seed), tell: print }))
  const stop = () => fiber.interruptUnsafe()
  process.once("SIGINT", stop).once("SIGTERM", stop)
  fiber.addObserver((exit) => {
    if (Exit.isFailure(exit)) {
      if (Cause.hasInterruptsOnly(exit.cause)) process.exit(130)
      process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
      process.exit(1)
    }
    for (const violation of exit.value.violations.slice(0, 10)) print(`\nVIOLATION with seed ${seed}: ${violation}`)
    print(JobRound.describe(subject.name, exit.value))
    process.exit(exit.value.violations.length > 0 ? 1 : 0)
  })
}
