import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { readFileSync, realpathSync } from "node:fs"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
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

/**
 * PostgreSQL refuses to run as root. The other user keeps root's right to pass through folders: the program and its data may
 * lie below folders that only root may enter.
 */
const asOrdinaryUser = (): ReadonlyArray<string> => {
  if (process.getuid?.() !== 0) return []
  const [user = "65534", group = "65534"] = ordinaryUser()
  return `setpriv --reuid ${user} --regid ${group} --clear-groups ${rights}`.split(" ")
}

// access(2) looks at the right only where a change of user leaves rights alone.
const rights = "--securebits +no_setuid_fixup --inh-caps +dac_override --ambient-caps +dac_override"

const ordinaryUser = (): ReadonlyArray<string> => {
  const users = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"))
  const found = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody")
  return found?.slice(2, 4) ?? []
}

/** Answers once a session would be let in: authentication is the first reply to a startup message, `R`. */
const answers = (port: number): Effect.Effect<boolean> =>
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
