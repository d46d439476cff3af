import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import * as Ports from "./Ports.ts"

export const program: Program = {
  command: "nats-server",
  debian: "nats-server",
  brew: "nats-server",
  variable: "HEDDLE_NATS_URL",
  example: "nats://127.0.0.1:4222"
}

/** Independent servers, in parallel. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  Effect.forEach(names, (name) => Effect.flatMap(Ports.reserve, (port) => node(binary, name, port)), {
    concurrency: "unbounded"
  })

const node = (binary: Binary, name: string, port: number) =>
  Server.make({
    name,
    port,
    url: `nats://127.0.0.1:${port}`,
    command: (data) => [binary.path, "-a", "127.0.0.1", "-p", String(port), "-js", "-sd", data],
    env: binary.env,
    ready: greets(port)
  })

/** A server tells of itself as soon as somebody connects. */
const greets = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("data", (data) => {
      socket.destroy()
      resume(Effect.succeed(data.toString().startsWith("INFO ")))
    })
    socket.once("error", () => {})
    socket.once("close", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })
