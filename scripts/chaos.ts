/** Runs rounds of chaos: `npm run chaos -- [--backend memory|redis|redis-cluster|redlock|etcd|postgres] [--minutes N] [--seed S]`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { parseArgs } from "node:util"
import * as Chaos from "../packages/testkit/src/Chaos.ts"

const subjects = new Map<string, () => Promise<{ readonly subject: Chaos.Subject }>>([
  ["memory", () => import("../packages/heddle/test/chaosSubject.ts")],
  ["redis", () => import("../packages/redis/test/chaosSubject.ts")],
  ["redis-cluster", async () => ({ subject: (await import("../packages/redis/test/chaosSubject.ts")).cluster })],
  ["redlock", async () => ({ subject: (await import("../packages/redis/test/chaosSubject.ts")).redlock })],
  ["etcd", () => import("../packages/etcd/test/chaosSubject.ts")],
  ["postgres", () => import("../packages/postgres/test/chaosSubject.ts")]
])

const usage = `npm run chaos -- [--backend ${[...subjects.keys()].join("|")}] [--minutes N] [--seed S]

  --backend  what to harm; default memory
  --minutes  begins new rounds for so long; default 0, which is one round
  --seed     the seed of the first round, those of the others follow it; default is a new one
`

const print = (line: string): void => void process.stdout.write(`${line}\n`)

const sum = (report: Chaos.Report, ofKeys: boolean): number =>
  Object.entries(report.counts).reduce(
    (sum, [what, count]) => /^(section|watch)/.test(what) === ofKeys ? sum : sum + count,
    0
  )

const rounds = (subject: Chaos.Subject, first: number, minutes: number) =>
  Effect.gen(function*() {
    const end = performance.now() + minutes * 60_000
    const total = { rounds: 0, faults: 0, operations: 0, sections: 0, violations: 0 }
    do {
      const seed = (first + total.rounds) % 2 ** 32
      const report = yield* Chaos.run(subject, { seed, tell: print })
      total.rounds++
      total.faults += report.faults.length
      total.operations += sum(report, true)
      total.sections += sum(report, false)
      total.violations += report.violations.length
      print(`  ${Object.entries(report.counts).map(([what, count]) => `${what} ${count}`).join(", ")}`)
      for (const violation of report.violations.slice(0, 10)) print(`\nVIOLATION with seed ${seed}: ${violation}`)
      if (report.violations.length > 10) print(`\nand ${report.violations.length - 10} more`)
      if (report.violations.length > 0) {
        print(`\nagain: npm run chaos -- --backend ${subject.name} --seed ${seed}\n`)
      }
    } while (performance.now() < end)
    print(
      `${subject.name}: ${total.rounds} rounds from seed ${first}, ${total.faults} faults, ${total.operations} operations`
        + ` on keys, ${total.sections} sections and watches, ${total.violations} violations`
    )
    return total.violations
  })

const options = {
  backend: { type: "string", default: "memory" },
  minutes: { type: "string", default: "0" },
  seed: { type: "string" }
} as const

const { backend, minutes, seed = `${Math.floor(Math.random() * 2 ** 32)}` } = parseArgs({ options }).values
const load = subjects.get(backend)

if (load === undefined || !(Number(minutes) >= 0) || !/^\d+$/.test(seed)) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  const { subject } = await load()
  const alive = setInterval(() => {}, 2 ** 30)
  const fiber = Effect.runFork(rounds(subject, Number(seed), Number(minutes)))
  const stop = () => fiber.interruptUnsafe()
  process.once("SIGINT", stop).once("SIGTERM", stop)
  fiber.addObserver((exit) => {
    clearInterval(alive)
    if (Exit.isSuccess(exit)) process.exit(exit.value > 0 ? 1 : 0)
    if (Cause.hasInterruptsOnly(exit.cause)) process.exit(130)
    process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
    process.exit(1)
  })
}
