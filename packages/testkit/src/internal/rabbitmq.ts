import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync } from "node:fs"
import { connect } from "node:net"
import { dirname, join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import * as Ports from "./Ports.ts"

export const program: Program = {
  command: "rabbitmq-server",
  debian: "rabbitmq-server",
  brew: "rabbitmq",
  variable: "HEDDLE_RABBITMQ_URL",
  example: "amqp://guest:guest@127.0.0.1:5672"
}

/** Independent servers, in parallel. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  Effect.forEach(
    names,
    (name) =>
      Effect.flatMap(
        Effect.all({ amqp: Ports.reserve, nodes: Ports.reserve, names: Ports.reserve }),
        (ports) => node(binary, name, ports)
      ),
    { concurrency: "unbounded" }
  )

/** Where clients come in, where other nodes would, and where Erlang's register of names listens. */
interface NodePorts {
  readonly amqp: number
  readonly nodes: number
  readonly names: number
}

const node = (binary: Binary, name: string, { amqp, names, nodes }: NodePorts) =>
  Server.make({
    name,
    port: amqp,
    url: `amqp://guest:guest@127.0.0.1:${amqp}`,
    command: () => ["/bin/sh", "-c", launch(binary.path)],
    env: {
      ...binary.env,
      RABBITMQ_NODENAME: `heddle${amqp}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_NODE_PORT: String(amqp),
      RABBITMQ_DIST_PORT: String(nodes),
      ERL_EPMD_ADDRESS: "127.0.0.1",
      ERL_EPMD_PORT: String(names),
      RABBITMQ_LOGS: "-",
      RABBITMQ_CONF_ENV_FILE: "/dev/null",
      // Makes the script become the server. Without it a shell stays before it, which does not hear what becomes of it.
      RABBITMQ_ALLOW_INPUT: "true",
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-noinput +S 2:2"
    },
    ready: answers(amqp),
    // 4 s of two processors that nobody else wants.
    patience: "90 seconds"
  })

/**
 * A shell script that runs a server in the working directory.
 *
 * Erlang starts its register of names as a daemon that stays for ever where none answers: this one runs beside the server and ends
 * with it. An Erlang that was unpacked elsewhere than where its package installs it is told where it is.
 */
const launch = (path: string): string => {
  const script = join(dirname(path), "../lib/rabbitmq/bin/rabbitmq-server")
  const root = join(dirname(path), "../lib/erlang")
  const runtime = existsSync(root) ? readdirSync(root).find((name) => name.startsWith("erts-")) : undefined
  const bin = runtime === undefined ? undefined : join(root, runtime, "bin")
  return [
    "export RABBITMQ_MNESIA_BASE=\"$PWD/db\" RABBITMQ_LOG_BASE=\"$PWD\" RABBITMQ_PID_FILE=\"$PWD/pid\"",
    "export RABBITMQ_CONFIG_FILE=\"$PWD/rabbitmq\" RABBITMQ_GENERATED_CONFIG_DIR=\"$PWD\"",
    "export RABBITMQ_ENABLED_PLUGINS_FILE=\"$PWD/plugins\"",
    "printf '[].\\n' >plugins",
    "printf 'disk_free_limit.absolute = 10MB\\nlog.console.level = warning\\n' >rabbitmq.conf",
    ...(bin === undefined ? [] : [
      "mkdir -p bin",
      `printf '#!/bin/sh\\nexec "%s/erlexec" "$@"\\n' '${bin}' >bin/erl`,
      "chmod +x bin/erl",
      `export PATH="$PWD/bin:${bin}:$PATH" ROOTDIR='${root}' BINDIR='${bin}' EMU=beam PROGNAME=erl`
    ]),
    "epmd -port $ERL_EPMD_PORT -address 127.0.0.1 &",
    "until epmd -port $ERL_EPMD_PORT -names >&2; do sleep 0.05; done",
    // Beside the wrapper for administrators, which wants to change the user, lies the script that it runs.
    `exec '${existsSync(script) ? script : path}'`
  ].join("\n")
}

/** To the wrong version of its protocol, which is none, it answers with its own and hangs up. */
const answers = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("AMQP\0\0\x09\x01"))
    socket.once("data", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => {})
    socket.once("close", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  })
