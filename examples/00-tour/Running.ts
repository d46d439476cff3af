import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The tour as a process, for its tests. */
export interface Running {
  readonly child: ChildProcess
  /** Everything that it has written. */
  readonly output: () => string
  /** Waits until it has written this, after what was waited for before. */
  readonly says: (text: string | RegExp) => Effect.Effect<void>
  readonly types: (text: string) => Effect.Effect<void>
  /** The ids of all processes below it: examples, workers, servers. */
  readonly below: () => ReadonlyArray<number>
  /** Waits for the end, and answers with the exit code. */
  readonly ended: Effect.Effect<unknown>
}

const main = fileURLToPath(new URL("main.ts", import.meta.url))
const node = [process.execPath, "--conditions=@heddle/source", main]

/** Without a terminal: what it writes goes into a pipe. */
export const piped = (args: ReadonlyArray<string>) => running([...node, ...args])

/** In a terminal of its own, by `script` of util-linux; the code is that of the tour. */
export const inTerminal = (args: ReadonlyArray<string>) =>
  running([
    "script",
    "-qec",
    `stty rows 24 cols 100; exec ${[...node, ...args].map((word) => `'${word}'`).join(" ")}`,
    "/dev/null"
  ])

const running = ([command = "", ...args]: ReadonlyArray<string>): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.gen(function*() {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] })
    const closed = once(child, "close")
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await closed
      })
    )
    let output = ""
    let from = 0
    const waiting = new Set<() => void>()
    const take = (data: unknown) => {
      output += String(data)
      for (const look of waiting) look()
    }
    child.stdout.on("data", take)
    child.stderr.on("data", take)
    const says = (text: string | RegExp) =>
      Effect.callback<void>((resume) => {
        const look = () => {
          const found = output.slice(from).match(text)
          if (found?.index === undefined) return
          from += found.index + found[0].length
          waiting.delete(look)
          resume(Effect.void)
        }
        waiting.add(look)
        look()
        return Effect.sync(() => waiting.delete(look))
      }).pipe(
        Effect.timeoutOrElse({
          duration: "50 seconds",
          orElse: () => Effect.die(new Error(`never said ${String(text)}: ${output}`))
        })
      )
    return {
      child,
      output: () => output,
      says,
      below: () => below(child.pid ?? 0),
      types: (text) => Effect.sync(() => void child.stdin.write(text)),
      ended: Effect.promise(async () => (await closed)[0])
    }
  })

const statusOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8")
  } catch {
    return ""
  }
}

const below = (root: number): ReadonlyArray<number> => {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
  const children = Map.groupBy(pids, (pid) => Number(/^PPid:\s+(\d+)/m.exec(statusOf(pid))?.[1] ?? 0))
  const found = [root]
  for (const pid of found) found.push(...children.get(pid) ?? [])
  return found.slice(1)
}

/** Whether there is such a process, and it has not ended. */
export const isAlive = (pid: number): boolean => /^State:\s+[^ZX]/m.test(statusOf(pid))
