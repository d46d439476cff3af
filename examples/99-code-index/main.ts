// A cluster indexes the sources of `effect`. Midway one worker is killed and the leader is stopped; the index is exact.
//   node --conditions=@heddle/source examples/99-code-index/main.ts [--backend redis|postgres|etcd|nats|rabbitmq] [--calm]
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { basename, join } from "node:path"
import { fibers } from "./fibers.ts"
import { processes } from "./processes.ts"
import * as Screen from "./screen.ts"
import { presets, start } from "./servers.ts"
import { Jobs, layerOf, Leases, Topics } from "./stack.ts"
import * as Summary from "./summary.ts"
import { indexTogether, isExact } from "./together.ts"

const names = ["memory", "redis", "postgres", "etcd", "nats", "rabbitmq"] as const

const command = Command.make("npm start -- 99", {
  backend: Flag.Literals("backend", names).pipe(
    Flag.withDescription("What the cluster stands on. On memory the workers are fibers, else processes."),
    Flag.withDefault("memory")
  ),
  leases: Flag.Literals("leases", Leases).pipe(Flag.withDescription("Where the leases live instead."), Flag.optional),
  jobs: Flag.Literals("jobs", Jobs).pipe(Flag.withDescription("Where the jobs live instead."), Flag.optional),
  topics: Flag.Literals("topics", Topics).pipe(Flag.withDescription("Where the news pass instead."), Flag.optional),
  workers: Flag.Int("workers").pipe(
    Flag.filter((count) => count >= 1 && count <= 16, (count) => `Expected 1 to 16, got ${count}`),
    Flag.withDescription("How many workers there are, 1 to 16."),
    Flag.withDefault(4)
  ),
  calm: Flag.Boolean("calm").pipe(
    Flag.withDescription("Nobody is killed, and no leader is stopped."),
    Flag.withDefault(false)
  )
}, ({ backend, calm, jobs, leases, topics, workers }) =>
  Effect.gen(function*() {
    if (!calm && workers < 3) return yield* wrong("of fewer than three --workers nobody would be left: add --calm")
    const preset = presets[backend]
    const choice = {
      leases: Option.getOrElse(leases, () => preset.leases),
      jobs: Option.getOrElse(jobs, () => preset.jobs),
      topics: Option.getOrElse(topics, () => preset.topics)
    }
    const onMemory = [choice.leases, choice.jobs, choice.topics].filter((one) => one === "memory").length
    if (onMemory === 1 || onMemory === 2) {
      return yield* wrong("processes do not share memory: leases, jobs and topics are all in memory, or none is")
    }
    const screen = yield* Screen.make
    const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({
      prefix: `heddle-${process.pid}-index-`
    })
    const run = { name: basename(folder), index: join(folder, "index.json") }
    const stack = yield* start(choice, screen)
    const options = { run, workers, strikes: !calm, screen }
    const report = yield* Effect.provide(
      Effect.gen(function*() {
        return onMemory === 3 ? yield* indexTogether(fibers, options) : yield* indexTogether(processes(stack), options)
      }),
      layerOf(stack)
    )
    const exact = yield* isExact(report)
    yield* screen.say(Summary.render(report, exact))
    if (!exact) return yield* wrong("the index differs from the sequential one")
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.fail(new CliError.UserError({ cause: error, userMessage: error.message })))
  )).pipe(
    Command.withDescription(
      "A cluster indexes the sources of effect. One worker is killed, the leader is stopped, and the index is exact."
    )
  )

class Wrong extends Data.TaggedError("Wrong")<{ readonly message: string }> {}
const wrong = (message: string) => new Wrong({ message })

const main = Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide([NodeServices.layer, CliConfig.layer({ builtIns: [GlobalFlag.Help] })])
)

NodeRuntime.runMain(main)
