/**
 * One private server process, with the verbs that a fault test needs: kill, stop, continue, restart.
 *
 * The process listens on loopback only, works in a temp folder of its own, and ends with its scope. It also ends when the
 * process that started it is killed: a watchdog beside it waits at the other end of a pipe and then kills its whole group.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { isGone, isStopped, members, signal, watchdogMark } from "./internal/ProcessTree.ts"
import * as TempFolder from "./internal/TempFolder.ts"
import { inRealTime, until } from "./internal/until.ts"

/**
 * A running server and the ways to harm it.
 *
 * The verbs of one server take turns. A server that came from an environment variable belongs to somebody else: there they
 * all fail with the reason `NotOwned`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** For example `redis` or `etcd-2`. */
  readonly name: string
  /** `127.0.0.1`, unless the address came from the environment. */
  readonly host: string
  /** The same for the whole life of the server, also across restarts. */
  readonly port: number
  /** For example `redis://127.0.0.1:24317` or `http://127.0.0.1:24318`. */
  readonly url: string
  /** The id of the process now. A restart gives a new one. */
  readonly pid: Effect.Effect<number, ServerError>
  /** The folder of its data, for whoever has to know what it has written. */
  readonly data: Effect.Effect<string, ServerError>
  /** What the server has written to stdout and stderr, across restarts. */
  readonly logs: Effect.Effect<string, ServerError>
  /** Copies the log to `.cache/logs` under the working directory, where it outlives the server, and gives its path. */
  readonly saveLogs: Effect.Effect<string, ServerError>
  /**
   * Kills the process at once (SIGKILL). When this returns the process is gone and its port refuses connections. Does nothing
   * to a server that is down.
   */
  readonly kill: Effect.Effect<void, ServerError>
  /**
   * Freezes the process (SIGSTOP): its connections stay open and nobody answers. When this returns every thread stands still
   * (seen on Linux; elsewhere the signal has been sent).
   */
  readonly stop: Effect.Effect<void, ServerError>
  /** Lets a stopped process run again (SIGCONT). */
  readonly continue: Effect.Effect<void, ServerError>
  /**
   * Kills the process if it runs, starts it again on the same port and waits until it answers. `keepData` (default `true`)
   * says whether it finds its data again.
   *
   * **Interruption**
   *
   * An interrupted restart leaves the new process starting; the next verb or the scope deals with it.
   */
  readonly restart: (options?: { readonly keepData?: boolean }) => Effect.Effect<void, ServerError>
}

/**
 * Why there is no server to work with.
 *
 * - `Missing`: the program was not found. Install it, or set the variable that the message names.
 * - `Start`: it ended or did not answer in time. The message holds the end of its log and the path of the whole.
 * - `NotOwned`: it came from the environment. Unset the variable to get a private server that may be harmed.
 * - `Down`: it was killed or ended by itself. Restart it first.
 *
 * @since 0.1.0
 * @category errors
 */
export class ServerError extends Schema.TaggedError<ServerError>()("ServerError", {
  server: Schema.String,
  reason: Schema.Literals(["Missing", "Start", "NotOwned", "Down"]),
  message: Schema.String
}) {}

/**
 * How to run a server of some kind.
 *
 * @since 0.1.0
 * @category models
 */
export interface Spec {
  /** Appears in errors, in the names of the temp folder and of a saved log. */
  readonly name: string
  /** A loopback port that nobody else uses. */
  readonly port: number
  /** The address for clients. */
  readonly url: string
  /** The program and its arguments, given the folder for the server's data. It must stay in the foreground. */
  readonly command: (data: string) => ReadonlyArray<string>
  /** Its environment, beside `PATH`, `LANG` and `HOME` (the data folder). */
  readonly env: Record<string, string>
  /** Whether it answers as it should. Asked again and again, each time for at most 1 s. */
  readonly ready: Effect.Effect<boolean>
  /** For how long. Default a minute. */
  readonly patience?: Duration.Input | undefined
}

const host = "127.0.0.1"

// The server's own group (`detached`) holds the watchdog too; it reads until the runner's end of the pipe is gone. A server's
// children may have groups of their own (PostgreSQL), and one that is stopped does not see its parent die.
const children = `
  read -r me _ </proc/self/stat
  for stat in /proc/[0-9]*/stat; do
    read -r line <$stat
    child=\${line%% *}
    set -- \${line##*) }
    [ "$2" != $$ ] || [ "$child" = "$me" ] || kill -KILL $child
  done`
const watchdog = `: ${watchdogMark}; (read _ <&3; { ${children}; } 2>&-; kill -KILL 0) & exec "$@" 3<&-`

/**
 * Starts a server, waits until it answers, and kills it when the scope closes.
 *
 * **Details**
 *
 * Release takes milliseconds and never more than 5 s: the process is killed, not asked. Folders of runners that were killed
 * are swept by the next one.
 *
 * **Interruption**
 *
 * An interrupted start is given up; the scope kills what was begun.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (spec: Spec) => Effect.Effect<Server, ServerError, Scope.Scope> = Effect.fnUntraced(function*(spec) {
  const folder = yield* TempFolder.make(spec.name)
  const log = join(folder, "log")
  const data = join(folder, "data")
  const turn = yield* Semaphore.make(1)
  let running: Running | undefined
  let closed = false
  const patience = Duration.fromInputUnsafe(spec.patience ?? "1 minute")

  const fail = (reason: ServerError["reason"], message: string) =>
    new ServerError({ server: spec.name, reason, message: `${spec.name} on port ${spec.port} ${message}` })

  const pid = Effect.suspend(() =>
    running === undefined || hasEnded(running.child) || running.child.pid === undefined
      ? Effect.fail(fail("Down", "is not running: restart it first"))
      : Effect.succeed(running.child.pid)
  )

  const logs = Effect.try({
    try: () => readFileSync(log, "utf8"),
    catch: (error) => fail("Down", `has no log: ${String(error)}`)
  })

  const saveLogs = Effect.try({
    try: () => {
      const saved = resolve(".cache/logs", `${spec.name}-${spec.port}-${process.pid}.log`)
      mkdirSync(resolve(".cache/logs"), { recursive: true })
      copyFileSync(log, saved)
      return saved
    },
    catch: (error) => fail("Down", `has no log to save: ${String(error)}`)
  })

  const end = Effect.suspend(() => {
    const doomed = running
    if (doomed === undefined) return Effect.void
    const id = doomed.child.pid
    const all = id === undefined || hasEnded(doomed.child) ? [] : members(id)
    if (id !== undefined && all.length > 0) signal([...all, -id], "SIGKILL")
    const gone = Effect.sync(() => all.every(isGone))
    return Effect.andThen(Effect.promise(() => doomed.ended), until(gone, "5 seconds"))
  })

  const start = Effect.gen(function*() {
    if (closed) return yield* fail("Down", "belongs to a scope that is closed")
    const { child, ended } = running = yield* Effect.try({
      try: () => launch(spec, data, log),
      catch: (error) => fail("Start", `could not be started: ${String(error)}`)
    })
    const ready = Effect.timeoutOrElse(spec.ready, { duration: "1 second", orElse: () => Effect.succeed(false) })
    if (yield* Effect.raceFirst(until(ready, patience), Effect.as(Effect.promise(() => ended), false))) return
    const why = hasEnded(child)
      ? `ended while it started (${child.signalCode ?? `code ${child.exitCode}`})`
      : `did not answer within ${Duration.format(patience)}`
    yield* end
    const path = yield* Effect.orElseSucceed(saveLogs, () => "could not be saved")
    const tail = (yield* logs).trimEnd().split("\n").slice(-20).join("\n")
    return yield* fail("Start", `${why}\nThe whole log: ${path}\nIts end:\n${tail === "" ? "(empty)" : tail}`)
  })

  yield* Effect.addFinalizer(() => {
    closed = true
    return end.pipe(Effect.timeoutOption("5 seconds"), inRealTime)
  })
  yield* start

  return {
    name: spec.name,
    host,
    port: spec.port,
    url: spec.url,
    pid,
    logs,
    saveLogs,
    data: Effect.succeed(data),
    kill: turn.withPermit(end),
    stop: turn.withPermit(Effect.gen(function*() {
      const root = yield* pid
      const stopped = yield* until(
        Effect.sync(() => {
          // Asked anew each time: a process may have been born between the look and the signal.
          const moving = members(root).filter((member) => !isStopped(member))
          signal(moving, "SIGSTOP")
          return moving.length === 0
        }),
        "5 seconds"
      )
      if (!stopped) return yield* fail("Down", "did not stop within 5 seconds")
      yield* pid
    })),
    continue: turn.withPermit(Effect.map(pid, (root) => signal(members(root), "SIGCONT"))),
    restart: (options) =>
      turn.withPermit(Effect.gen(function*() {
        yield* end
        if (options?.keepData === false) rmSync(data, { recursive: true, force: true })
        yield* start
      }))
  }
})

/**
 * A server that runs already and belongs to somebody else, by its address.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUrl = (name: string, url: string): Effect.Effect<Server, ServerError> => {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || parsed.port === "") {
    return Effect.fail(
      new ServerError({
        server: name,
        reason: "Missing",
        message: `"${url}" is not an address for ${name}: write protocol://host:port`
      })
    )
  }
  const refused = Effect.fail(
    new ServerError({
      server: name,
      reason: "NotOwned",
      message: `${name} at ${url} was given by the environment: unset the variable to get a private server for this`
    })
  )
  return Effect.succeed({
    name,
    host: parsed.hostname,
    port: Number(parsed.port),
    url,
    pid: refused,
    data: refused,
    logs: refused,
    saveLogs: refused,
    kill: refused,
    stop: refused,
    continue: refused,
    restart: () => refused
  })
}

interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<void>
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

const launch = (spec: Spec, data: string, log: string): Running => {
  mkdirSync(data, { recursive: true, mode: 0o700 })
  const output = openSync(log, "a")
  try {
    const child = spawn("/bin/sh", ["-c", watchdog, "sh", ...spec.command(data)], {
      cwd: data,
      env: { PATH: process.env["PATH"], LANG: "C.UTF-8", HOME: data, ...spec.env },
      detached: true,
      stdio: ["ignore", output, output, "pipe"]
    })
    const ended = new Promise<void>((resolve) => {
      const end = () => {
        // Lets the watchdog go, and with it what the server may have left in its group.
        child.stdio[3]?.destroy()
        resolve()
      }
      child.once("exit", end)
      child.once("error", end)
    })
    return { child, ended }
  } finally {
    closeSync(output)
  }
}
