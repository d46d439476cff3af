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
import * as Progress from "./progress.ts"
import * as Table from "./table.ts"
import { indexTogether, isExact } from "./together.ts"

const command = Command.make("examples/40-work-queue", {
  backend: Flag.Literals("backend", ["memory", "redis", "postgres", "nats"]).pipe(
    Flag.withDescription("Where the queue lives. On memory the workers are fibers, else processes."),
    Flag.withDefault("memory")
  ),
  url: Flag.String("url").pipe(
    Flag.withDescription("The address of a running Redis, PostgreSQL or NATS. Without it a private one is started."),
    Flag.optional
  ),
  workers: Flag.Int("workers").pipe(
    Flag.filter((count) => count >= 1 && count <= 32, (count) => `Expected 1 to 32, got ${count}`),
    Flag.withDescription("How many workers share the files, 1 to 32."),
    Flag.withDefault(4)
  ),
  kill: Flag.Boolean("kill").pipe(
    Flag.withDescription("Kills one worker (SIGKILL) while it works. The others do what it has begun."),
    Flag.withDefault(false)
  )
}, ({ backend, url, workers, kill }) =>
  Effect.gen(function*() {
    if (kill && workers === 1) return yield* wrong("--kill needs at least two --workers: the others go on")
    if (backend === "memory" && Option.isSome(url)) {
      return yield* wrong("--url is for --backend redis, postgres or nats")
    }
    const progress = yield* Progress.make
    const options = { run: randomUUID(), workers, kill, progress }
    const report = backend === "memory"
      ? yield* Effect.provide(indexTogether(fibers, options), (yield* Effect.promise(backends.memory)).layer())
      : yield* Effect.gen(function*() {
        const address = yield* Server.address(backend, url, progress)
        const { layer } = yield* Effect.promise(backends[backend])
        return yield* Effect.provide(indexTogether(processes(backend, address), options), layer(address))
      })
    const exact = yield* isExact(report)
    yield* progress.say(Table.render(report, exact))
    if (!exact) return yield* wrong("the index is not that of one alone")
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.fail(new CliError.UserError({ cause: error, userMessage: error.message })))
  )).pipe(
    Command.withDescription("Several workers hash and index the sources of effect, which they take from a queue.")
  )

class Wrong extends Data.TaggedError("Wrong")<{ readonly message: string }> {}
const wrong = (message: string) => new Wrong({ message })

const main = Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide([NodeServices.layer, CliConfig.layer({ builtIns: [GlobalFlag.Help] })])
)

NodeRuntime.runMain(main)
