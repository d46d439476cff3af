import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { dirname, join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import * as Ports from "./Ports.ts"
import { ask, node, pong, program as redis } from "./redis.ts"
import { until } from "./until.ts"

export const program: Program = {
  ...redis,
  variable: "HEDDLE_REDIS_CLUSTER_URL",
  example: "redis://127.0.0.1:7001, redis://127.0.0.1:7002, redis://127.0.0.1:7003"
}

const slots = 16_384
const masters = 3

/** The nodes of one cluster: three masters, then the replica of the first, of the second, and so on. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  Effect.gen(function*() {
    let formed = false
    const nodes = yield* Effect.forEach(names, (name) =>
      Effect.gen(function*() {
        const [port, bus] = [yield* Ports.reserve, yield* Ports.reserve]
        const ready = Effect.suspend(() => formed ? isUp(port) : pong(port))
        // The membership is no data: it outlives a restart without data.
        const more = (data: string) => [...flags(bus).split(" "), "--cluster-config-file", join(dirname(data), "nodes")]
        return { bus, server: yield* node(binary, { name, port, more, ready }) }
      }), { concurrency: "unbounded" })
    const servers = Arr.map(nodes, ({ server }) => server)

    const [first] = nodes
    yield* Effect.forEach(nodes, ({ bus, server: { port } }, n) =>
      Effect.gen(function*() {
        const [from, to] = [Math.ceil((slots * n) / masters), Math.ceil((slots * (n + 1)) / masters) - 1]
        if (n < masters) yield* ask(port, `CLUSTER ADDSLOTSRANGE ${from} ${to}`)
        // Each has an epoch of its own from the beginning: it need not be bargained for.
        yield* ask(port, `CLUSTER SET-CONFIG-EPOCH ${n + 1}`)
        yield* ask(first.server.port, `CLUSTER MEET 127.0.0.1 ${port} ${bus}`)
      }))
    const form = Effect.gen(function*() {
      for (const [n, { server: { port } }] of nodes.entries()) {
        const primary = nodes[n - masters]
        if (primary !== undefined) {
          const id = /[0-9a-f]{40}/.exec(yield* ask(primary.server.port, "CLUSTER MYID"))?.[0]
          yield* ask(port, `CLUSTER REPLICATE ${id}`)
          if (!/master_link_status:up/.test(yield* ask(port, "INFO replication"))) return false
        }
        if (!(yield* knowsAll(port, nodes.length)) || !(yield* isUp(port))) return false
      }
      return true
    })
    formed = yield* until(form, "1 minute")
    if (!formed) {
      return yield* new Server.ServerError({
        server: first.server.name,
        reason: "Start",
        message: `the cluster around ${first.server.url} did not form within a minute`
      })
    }
    return servers
  })

const flags = (bus: number): string =>
  `--cluster-enabled yes --cluster-port ${bus} --cluster-node-timeout 1000 --cluster-announce-ip 127.0.0.1`
  + " --cluster-replica-validity-factor 0 --repl-diskless-sync-delay 0"

const isUp = (port: number): Effect.Effect<boolean> =>
  Effect.map(ask(port, "CLUSTER INFO"), (answer) => /cluster_state:ok/.test(answer))

const knowsAll = (port: number, count: number): Effect.Effect<boolean> =>
  Effect.map(
    ask(port, "CLUSTER INFO"),
    (answer) => answer.includes(`cluster_known_nodes:${count}\r`) && answer.includes(`cluster_slots_ok:${slots}\r`)
  )
