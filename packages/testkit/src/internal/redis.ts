import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import { join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import * as Ports from "./Ports.ts"

export const program: Program = {
  command: "redis-server",
  debian: "redis-server",
  brew: "redis",
  variable: "HEDDLE_REDIS_URL",
  example: "redis://127.0.0.1:6379"
}

/** Independent nodes, in parallel. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  Effect.forEach(names, (name) => Effect.flatMap(Ports.reserve, (port) => node(binary, { name, port })), {
    concurrency: "unbounded"
  })

/** How a node differs from an independent one. */
export interface Node {
  readonly name: string
  readonly port: number
  /** The lines that its configuration begins with; the server may write it anew. Default: it has none. */
  readonly config?: ReadonlyArray<string> | undefined
  readonly more?: ((data: string) => ReadonlyArray<string>) | undefined
  readonly ready?: Effect.Effect<boolean> | undefined
}

/** One server. The append-only file is not synced: it outlives the process, not the machine. */
export const node = (binary: Binary, { config, more, name, port, ready }: Node) =>
  Server.make({
    name,
    port,
    url: `redis://127.0.0.1:${port}`,
    command: (data) => [
      ...config === undefined ? [binary.path] : configured(binary, join(data, "redis.conf"), config),
      "--dir",
      data,
      "--save",
      "",
      ...flags(port).split(" "),
      ...more?.(data) ?? []
    ],
    env: binary.env,
    ready: ready ?? pong(port)
  })

/** Runs a server with a configuration that it finds again as it has left it. */
export const configured = (binary: Binary, file: string, lines: ReadonlyArray<string>): ReadonlyArray<string> => [
  "/bin/sh",
  "-c",
  `[ -e '${file}' ] || printf '%s\\n' ${
    lines.map((line) => `'${line}'`).join(" ")
  } >'${file}'; exec "$0" '${file}' "$@"`,
  binary.path
]

const flags = (port: number): string =>
  `--port ${port} --bind 127.0.0.1 --protected-mode no --enable-debug-command yes`
  + " --appendonly yes --appendfsync no --auto-aof-rewrite-percentage 0"

export const pong = (port: number): Effect.Effect<boolean> =>
  Effect.map(ask(port, "PING"), (answer) => answer.startsWith("+PONG"))

/** All that the server there answers to one command, as it is on the wire; nothing if it cannot be reached. */
export const ask = (port: number, command: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let answer = ""
    const socket = connect(port, "127.0.0.1", () => socket.end(`${command}\r\n`))
    socket.on("data", (data) => answer += data.toString())
    socket.once("error", () => {})
    socket.once("close", () => resume(Effect.succeed(answer)))
    return Effect.sync(() => socket.destroy())
  })
