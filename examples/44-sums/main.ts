import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import * as Server from "../01-one-at-a-time/server.ts"
import { backends } from "./backend.ts"
import { fibers } from "./fibers.ts"
import { processes } from "./processes.ts"
import { addTogether, isRight } from "./together.ts"

const command = Command.make("examples/44-sums", {
  backend: Flag.Literals("backend", ["memory", "rabbitmq", "redis"]).pipe(
    Flag.withDescription("Where the queues live. On memory producer and workers are fibers, else processes."),
    Flag.withDefault("memory")
  ),
  url: Flag.String("url").pipe(
    Flag.withDescription("The address of a running RabbitMQ or Redis. Without it a private one is started."),
    Flag.optional
  ),
  workers: Flag.Int("workers").pipe(
    Flag.filter((count) => count >= 1 && count <= 32, (count) => `Expected 1 to 32, got ${count}`),
    Flag.withDescription("How many workers share the pairs, 1 to 32."),
    Flag.withDefault(3)
  ),
  kill: Flag.Boolean("kill").pipe(
    Flag.withDescription("Kills one worker (SIGKILL) while it works. The others do what it has begun."),
    Flag.withDefault(false)
  )
}, ({ backend, kill, url, workers }) =>
  Effect.gen(function*() {
    if (kill && workers === 1) return yield* wrong("--kill needs at least two --workers: the others go on")
    if (backend === "memory" && Option.isSome(url)) return yield* wrong("--url is for --backend rabbitmq or redis")
    const options = { run: randomUUID(), count: 200, workers, kill, say }
    const report = backend === "memory"
      ? yield* Effect.provide(addTogether(fibers, options), (yield* Effect.promise(backends.memory)).layer())
      : yield* Effect.gen(function*() {
        const address = yield* Server.address(backend, url, { say })
        const { layer } = yield* Effect.promise(backends[backend])
        return yield* Effect.provide(addTogether(processes(backend, address), options), layer(address))
      })
    for (const { payload } of report.dead) {
      yield* say(`a dead letter: ${new TextDecoder().decode(payload)}`)
    }
    yield* say(`4 and 6 make ${report.sums.get(1)}`)
    yield* say(
      `${report.enqueued} pairs, ${report.told} sums told, ${report.sums.size} kept`
    )
    yield* say(`each pair has its sum: ${isRight(report) ? "yes" : "NO"}`)
    if (!isRight(report)) return yield* wrong("the sums are not those of the pairs")
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.fail(new CliError.UserError({ cause: error, userMessage: error.message })))
  )).pipe(Command.withDescription("Workers add pairs of numbers, which they take from a queue, and tell the sums."))

class Wrong extends Data.TaggedError("Wrong")<{ readonly message: string }> {}
const wrong = (message: string) => new Wrong({ message })
const say = (line: string) => Effect.sync(() => void process.stdout.write(`${line}\n`))

const main = Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide([NodeServices.layer, CliConfig.layer({ builtIns: [GlobalFlag.Help] })])
)

NodeRuntime.runMain(main)
