import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** The service as a process, and what it has said. */
export interface Service {
  readonly lines: ReadonlyArray<string>
  readonly url: string
  /** The first line that begins so, when there is one. */
  readonly said: (start: string) => Effect.Effect<string>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<unknown>
  /** Waits for the end, and answers with the exit code. */
  readonly ended: Effect.Effect<unknown>
}

/** The ids of lines such as `accepted 7`. */
export const ids = ({ lines }: Service, verb: string): ReadonlyArray<string> =>
  lines.filter((line) => line.startsWith(`${verb} `)).map((line) => line.slice(verb.length + 1))

export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const main = fileURLToPath(new URL("main.ts", import.meta.url))
    const child = spawn(process.execPath, ["--conditions=@heddle/source", main, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env }
    })
    const closed = once(child, "close")
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await closed
      })
    )
    const lines: Array<string> = []
    const waiting = new Set<() => void>()
    const look = () => waiting.forEach((waits) => waits())
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line)
      look()
    })
    const said = (start: string) =>
      Effect.callback<string>((resume) => {
        const waits = () => {
          const line = lines.find((line) => line.startsWith(start))
          if (line !== undefined) resume(Effect.succeed(line))
        }
        waiting.add(waits)
        waits()
        return Effect.sync(() => waiting.delete(waits))
      })
    const url = (yield* said("listens ")).slice("listens ".length)
    return {
      lines,
      url,
      said,
      signal: (signal) => Effect.sync(() => child.kill(signal)),
      ended: Effect.promise(async () => (await closed)[0])
    }
  })
