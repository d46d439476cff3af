import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { realpathSync } from "node:fs"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import { asOrdinaryUser } from "./ordinaryUser.ts"
import * as Ports from "./Ports.ts"

export const program: Program = {
  command: "postgres",
  debian: "postgresql",
  brew: "postgresql",
  variable: "HEDDLE_POSTGRES_URL",
  example: "postgres://user:password@127.0.0.1:5432/postgres"
}

/** Independent servers, in parallel. The log of what was committed is written, not synced: it outlives the process. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  Effect.forEach(
    names,
    (name) =>
      Effect.flatMap(Ports.reserve, (port) =>
        Server.make({
          name,
          port,
          url: `postgres://postgres@127.0.0.1:${port}/postgres`,
          command: (data) => [...asOrdinaryUser(), "/bin/sh", "-c", script(binary, port, join(data, "cluster"))],
          env: binary.env,
          ready: answers(port)
        })),
    { concurrency: "unbounded" }
  )

// The program may be a link: its neighbours are where it points to.
const script = ({ path }: Binary, port: number, data: string): string =>
  `[ -e '${data}/global/pg_control' ] || '${
    join(dirname(realpathSync(path)), "initdb")
  }' -D '${data}' ${initial} && exec`
  + ` '${path}' -D '${data}' -p ${port} ${flags}`

const initial = "-U postgres -A trust -E UTF8 --locale=C --no-sync"

const flags = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c full_page_writes=off"
  + " -c max_connections=300"

/** Answers once a session would be let in: authentication is the first reply to a startup message, `R`. */
export const answers = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(startup))
    const answer = (ready: boolean) => {
      socket.destroy()
      resume(Effect.succeed(ready))
    }
    socket.once("data", (data) => answer(data.toString().startsWith("R")))
    socket.once("error", () => answer(false))
    socket.once("close", () => answer(false))
    return Effect.sync(() => socket.destroy())
  })

const startup: Uint8Array = (() => {
  const body = Buffer.from("\0\x03\0\0user\0postgres\0database\0postgres\0\0", "latin1")
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length + 4)
  return Buffer.concat([length, body])
})()
