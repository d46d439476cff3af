/** The processes of one contender. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { now, Report, type Task } from "./Task.ts"

/** A contender and how it takes part. */
export interface Entry {
  readonly name: string
  /** A file that exports `open`. */
  readonly module: URL
  /** The server's address; empty if there is none. */
  readonly url: string
}

export interface Crew {
  readonly name: string
  readonly size: number
  /** Runs the task in each process at once, and adds up what they report; lanes are numbered through. */
  readonly perform: (task: Omit<Task, "startAt">) => Effect.Effect<Report, CrewFailed>
}

export class CrewFailed extends Schema.TaggedError<CrewFailed>()("CrewFailed", {
  contender: Schema.String,
  message: Schema.String
}) {}

/** Starts so many processes of a contender; the scope kills them. */
export const start = (entry: Entry, size: number): Effect.Effect<Crew, CrewFailed, Scope.Scope> =>
  Effect.map(
    Effect.all(Array.from({ length: size }, () => startOne(entry, "worker.ts")), { concurrency: 2 }),
    (workers) => ({ name: entry.name, size, perform: (task) => performAll(entry.name, workers, task) })
  )

/** Starts one process of a contender, run by `worker`, a file beside this one. */
export const startOne = (
  entry: Entry,
  worker: string,
  flags: ReadonlyArray<string> = []
): Effect.Effect<ChildProcess, CrewFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      fork(fileURLToPath(new URL(worker, import.meta.url)), [entry.module.href, entry.url], {
        execArgv: ["--conditions=@heddle/source", "--no-warnings", ...flags],
        stdio: ["ignore", "inherit", "inherit", "ipc"],
        env: { ...process.env, NODE_COMPILE_CACHE: ".cache/compile" }
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(Effect.tap((child) => answer(entry.name, child, "60 seconds")))

/** The next message; fails when the process ends instead. */
export const answer = (
  name: string,
  child: ChildProcess,
  within: `${number} seconds`
): Effect.Effect<unknown, CrewFailed> =>
  Effect.callback<unknown, CrewFailed>((resume) => {
    const fail = (code: number | null) =>
      resume(Effect.fail(new CrewFailed({ contender: name, message: `${name} ended with code ${code}` })))
    const hear = (message: unknown) => resume(Effect.succeed(message))
    child.once("exit", fail).once("message", hear)
    return Effect.sync(() => child.off("exit", fail).off("message", hear))
  }).pipe(Effect.timeoutOrElse({
    duration: within,
    orElse: () => Effect.fail(new CrewFailed({ contender: name, message: `${name} did not answer within ${within}` }))
  }))

/** Enough for all processes to hear of the task before it begins. */
const notice = 20_000_000

const performAll = (
  name: string,
  workers: ReadonlyArray<ChildProcess>,
  task: Omit<Task, "startAt">
): Effect.Effect<Report, CrewFailed> =>
  Effect.suspend(() => {
    const startAt = now() + notice
    return Effect.forEach(workers, (child) =>
      Effect.suspend(() => {
        child.removeAllListeners("exit").removeAllListeners("message")
        child.send({ ...task, startAt })
        return Effect.map(answer(name, child, "30 seconds"), Schema.decodeUnknownSync(Report))
      }), { concurrency: "unbounded" })
  }).pipe(Effect.map((reports): Report => ({
    count: reports.reduce((sum, { count }) => sum + count, 0),
    seconds: Math.max(...reports.map(({ seconds }) => seconds)),
    cpuMicros: reports.reduce((sum, { cpuMicros }) => sum + cpuMicros, 0),
    turns: reports.flatMap(({ turns }, index) =>
      turns.map(([lane, entered, left]) => [index * task.lanes + lane, entered, left] as const)
    )
  })))
