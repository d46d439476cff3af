import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import { spawn } from "node:child_process"
import { constants } from "node:os"
import * as Server from "../01-one-at-a-time/server.ts"
import { type Backend, type Example, servers } from "./catalogue.ts"

/** An example cannot run there. */
export class WrongBackend extends Data.TaggedError("WrongBackend")<{ readonly message: string }> {}

/** An example has ended so. Its own words are told already. */
export class Ended extends Data.TaggedError("Ended")<{ readonly code: number }> {
  override readonly [Runtime.errorExitCode]: number = this.code
  override readonly [Runtime.errorReported]: boolean = false
}

const say = (line: string) => Effect.sync(() => void process.stderr.write(`${line}\n`))

/** Runs an example as it is asked for, with a private server where it needs one and no address is given. */
export const run = (example: Example, args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    if (example.readsFlags) return yield* spawned(example, args, {})
    const { asked, rest } = backendOf(args)
    if (asked === undefined || (asked === "memory" && example.backends.length === 1)) {
      return yield* spawned(example, rest, {})
    }
    const backend = example.backends.find((one) => one === asked)
    if (backend === undefined) {
      const message = `${example.number} runs on ${example.backends.join(", ")}, not on ${asked}`
      return yield* new WrongBackend({ message })
    }
    return yield* spawned(example, [backend, ...rest], yield* environment(backend))
  }).pipe(Effect.scoped)

/** Takes `--backend x` out of the arguments. */
const backendOf = (args: ReadonlyArray<string>) => {
  const at = args.findIndex((arg) => arg === "--backend" || arg.startsWith("--backend="))
  const flag = args[at]
  if (flag === undefined) return { asked: undefined, rest: args }
  const isOne = flag.includes("=")
  const asked = isOne ? flag.slice("--backend=".length) : args[at + 1] ?? ""
  return { asked, rest: [...args.slice(0, at), ...args.slice(at + (isOne ? 1 : 2))] }
}

const environment = (backend: Backend) => {
  const server = servers.find((one) => one === backend)
  return server === undefined
    ? Effect.succeed({})
    : Effect.map(
      Server.address(server, Option.none(), { say }),
      (url) => ({ [`HEDDLE_${server.toUpperCase()}_URL`]: url })
    )
}

/**
 * A process of its own, in the same terminal, and the code that it ends with.
 *
 * A terminal tells Ctrl-C to both; what comes by other ways is passed on. Either way it waits until the process has ended, so that
 * nothing is taken away under it.
 */
const spawned = (example: Example, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.callback<number>((resume) => {
    const child = spawn(process.execPath, ["--conditions=@heddle/source", `${example.folder}/main.ts`, ...args], {
      stdio: "inherit",
      env: { ...process.env, ...env }
    })
    let isTold = false
    const onInt = () => {
      if (!process.stdin.isTTY && !isTold) child.kill("SIGINT")
      isTold = true
    }
    const onTerm = () => {
      isTold = true
      child.kill("SIGTERM")
    }
    // Before those of `runMain`, which interrupt at once.
    process.prependListener("SIGINT", onInt).prependListener("SIGTERM", onTerm)
    const ended = new Promise<number>((done) => {
      child.once("error", () => done(127))
      child.once("exit", (code, signal) => done(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
    }).then((code) => {
      process.off("SIGINT", onInt).off("SIGTERM", onTerm)
      return code
    })
    void ended.then((code) => resume(Effect.succeed(code)))
    return Effect.promise(() => {
      if (!isTold) child.kill("SIGTERM")
      return ended
    })
  })
