import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { connect } from "node:net"
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

/** Independent nodes, in parallel. The append-only file is not synced: it outlives the process, not the machine. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  Effect.forEach(
    names,
    (name) =>
      Effect.flatMap(Ports.reserve, (port) =>
        Server.make({
          name,
          port,
          url: `redis://127.0.0.1:${port}`,
          command: (data) => [binary.path, "--dir", data, "--save", "", ...flags(port).split(" ")],
          env: binary.env,
          ready: pong(port)
        })),
    { concurrency: "unbounded" }
  )

const flags = (port: number): string =>
  `--port ${port} --bind 127.0.0.1 --protected-mode no --enable-debug-command yes`
  + " --appendonly yes --appendfsync no --auto-aof-rewrite-percentage 0"

const pong = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"))
    const answer = (ready: boolean) => {
      socket.destroy()
      resume(Effect.succeed(ready))
    }
    socket.once("data", (data) => answer(data.toString().startsWith("+PONG")))
    socket.once("error", () => answer(false))
    socket.once("close", () => answer(false))
    return Effect.sync(() => socket.destroy())
  })
