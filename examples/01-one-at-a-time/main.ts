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
import { join } from "node:path"
import { backends } from "./backend.ts"
import { fibers } from "./fibers.ts"
import { processes } from "./processes.ts"
import * as Progress from "./progress.ts"
import * as Server from "./server.ts"
import * as Table from "./table.ts"
import { isExact, tallyTogether } from "./together.ts"

const command = Command.make("npm start --", {
  backend: Flag.Literals("backend", ["memory", "redis", "etcd"]).pipe(
    Flag.withDescription("Where the lock lives. On memory the workers are fibers, else processes."),
    Flag.withDefault("memory")
  ),
  url: Flag.String("url").pipe(
    Flag.withDescription("The address of a running Redis or etcd. Without it a private one is started."),
    Flag.optional
  ),
  workers: Flag.Int("workers").pipe(
    Flag.filter((count) => count >= 1 && count <= 32, (count) => `Expected 1 to 32, got ${count}`),
    Flag.withDescription("How many workers share the files, 1 to 32."),
    Flag.withDefault(4)
  ),
  kill: Flag.Boolean("kill").pipe(
    Flag.withDescription("Kills one worker (SIGKILL) while it holds the lock. The others go on."),
    Flag.withDefault(false)
  )
}, ({ backend, url, workers, kill }) =>
  Effect.gen(function*() {
    if (kill && workers === 1) return yield* wrong("--kill needs at least two --workers: the others go on")
    if (backend === "memory" && Option.isSome(url)) return yield* wrong("--url is for --backend redis or etcd")
    const progress = yield* Progress.make
    const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped({
      prefix: `heddle-${process.pid}-one-at-a-time-`
    })
    const index = join(folder, "index.json")
    const options = { index, workers, kill: kill ? "before the write" as const : undefined, progress }
    const report = backend === "memory"
      ? yield* Effect.provide(tallyTogether(fibers, options), (yield* Effect.promise(backends.memory)).layer())
      : yield* tallyTogether(processes(backend, yield* Server.address(backend, url, progress)), options)
    const exact = yield* isExact(report)
    yield* progress.say(Table.render(report, exact))
    if (!exact) return yield* wrong("the index differs from the sequential tally")
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.fail(new CliError.UserError({ cause: error, userMessage: error.message })))
  )).pipe(
    Command.withDescription("Several workers tally the names in the sources of effect into one file, one at a time.")
  )

class Wrong extends Data.TaggedError("Wrong")<{ readonly message: string }> {}
const wrong = (message: string) => new Wrong({ message })

const main = Command.run(command, { version: "0.0.0" }).pipe(
  Effect.provide([NodeServices.layer, CliConfig.layer({ builtIns: [GlobalFlag.Help] })])
)

NodeRuntime.runMain(main)
