import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Command, Event } from "./workerProtocol.ts"

/** How to start a worker: a module that calls `LeaseWorker.main`. */
export interface Spec {
  readonly module: URL
  readonly env: Readonly<Record<string, string>>
}

/** A child process that runs `LeaseWorker.main`. */
export interface WorkerProcess {
  readonly tell: (command: Command) => Effect.Effect<void>
  /** The first event that fits, past or to come; fails when the process ends without it. */
  readonly told: <A extends Event>(what: string, fits: (event: Event) => event is A) => Effect.Effect<A>
  /** All that it has told so far. */
  readonly events: Effect.Effect<ReadonlyArray<Event>>
  readonly signal: (signal: "SIGKILL" | "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
  /** Waits for the end: the exit code, or the signal that ended it. */
  readonly ended: Effect.Effect<number | NodeJS.Signals>
}

/** Starts a worker and waits until it takes orders. The scope kills it, stopped or not. */
export const start = (spec: Spec): Effect.Effect<WorkerProcess, never, Scope.Scope> =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    const listeners = new Set<() => void>()
    const notify = () => listeners.forEach((listener) => listener())
    let stderr = ""
    let end: number | NodeJS.Signals | undefined

    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--conditions=@heddle/source", fileURLToPath(spec.module)], {
          env: { ...process.env, ...spec.env },
          stdio: ["pipe", "pipe", "pipe"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    child.stdin.on("error", () => {})
    child.stderr.setEncoding("utf8").on("data", (text) => stderr += text)
    createInterface({ input: child.stdout }).on("line", (line) => {
      events.push(Schema.decodeSync(Event)(line))
      notify()
    })
    child.on("close", (code, signal) => {
      end = signal ?? code ?? 0
      notify()
    })

    /** Looks now and after each news, until there is an answer. */
    const wait = <A>(look: () => Effect.Effect<A> | undefined) =>
      Effect.callback<A>((resume) => {
        const listener = () => {
          const answer = look()
          if (answer === undefined) return
          listeners.delete(listener)
          resume(answer)
        }
        listeners.add(listener)
        listener()
        return Effect.sync(() => listeners.delete(listener))
      })

    const story = () => `${events.map((event) => Schema.encodeSync(Event)(event)).join("\n")}\n${stderr}`

    const told: WorkerProcess["told"] = (what, fits) =>
      wait(() => {
        const event = events.find(fits)
        if (event !== undefined) return Effect.succeed(event)
        if (end !== undefined) return Effect.die(new Error(`the worker ended (${end}) before ${what}\n${story()}`))
      }).pipe(Effect.timeoutOrElse({
        duration: "50 seconds",
        orElse: () => Effect.die(new Error(`the worker did not tell within 50 seconds: ${what}\n${story()}`))
      }))

    yield* told("it was ready", (event): event is Event => event._tag === "Ready")
    return {
      told,
      events: Effect.sync(() => [...events]),
      tell: (command) => Effect.sync(() => child.stdin.write(`${Schema.encodeSync(Command)(command)}\n`)),
      signal: (signal) => Effect.sync(() => child.kill(signal)),
      ended: wait(() => end === undefined ? undefined : Effect.succeed(end))
    }
  })

/** Completes when a process that was told to stop does so: what makes it go on must not come before. */
export const stops = (worker: WorkerProcess): Effect.Effect<Event> =>
  worker.told("it stopped", (event): event is Event => event._tag === "Stopping")
