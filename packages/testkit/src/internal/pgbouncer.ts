import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import { asOrdinaryUser } from "./ordinaryUser.ts"
import * as Ports from "./Ports.ts"
import { answers } from "./postgres.ts"

export const program: Program = {
  command: "pgbouncer",
  debian: "pgbouncer",
  brew: "pgbouncer",
  variable: "HEDDLE_PGBOUNCER_URL",
  example: "postgres://user@127.0.0.1:6432/postgres, postgres://user@127.0.0.1:6433/postgres"
}

/** A pooler before a server, which lets everybody in as `postgres`. */
export const start = (binary: Binary, before: Server.Server, mode: "session" | "transaction") =>
  Effect.flatMap(Ports.reserve, (port) =>
    Server.make({
      name: `pgbouncer-${mode}`,
      port,
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      command: (data) => {
        const file = join(data, "pgbouncer.ini")
        const write = `printf '%s\\n' ${settings(before, port, mode).map((line) => `'${line}'`).join(" ")} >'${file}'`
        return [...asOrdinaryUser(), "/bin/sh", "-c", `${write} && exec '${binary.path}' '${file}'`]
      },
      env: binary.env,
      ready: answers(port)
    }))

const settings = (before: Server.Server, port: number, mode: string): ReadonlyArray<string> => [
  "[databases]",
  `* = host=127.0.0.1 port=${before.port} user=postgres`,
  "[pgbouncer]",
  "listen_addr = 127.0.0.1",
  `listen_port = ${port}`,
  "unix_socket_dir =",
  "auth_type = any",
  `pool_mode = ${mode}`,
  "max_client_conn = 200",
  "default_pool_size = 20"
]
