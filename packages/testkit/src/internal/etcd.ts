import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Server from "../Server.ts"
import type { Binary, Program } from "./Binaries.ts"
import * as Ports from "./Ports.ts"

export const program: Program = {
  command: "etcd",
  debian: "etcd-server",
  brew: "etcd",
  variable: "HEDDLE_ETCD_URL",
  example: "http://127.0.0.1:2379"
}

/** The members of one cluster, in parallel. Elections are short, and writes are not synced to the disk. */
export const start = (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) =>
  startOn(binary, names, Effect.succeed)

/** The same, with the members reaching each other at the ports that `through` gives for those at which they listen. */
export const startOn = (
  binary: Binary,
  names: Arr.NonEmptyReadonlyArray<string>,
  through: (port: number) => Effect.Effect<number, never, Scope.Scope>
) =>
  Effect.gen(function*() {
    const members = yield* Effect.forEach(names, (name) =>
      Effect.gen(function*() {
        const [port, listens] = [yield* Ports.reserve, yield* Ports.reserve]
        const peer = `http://127.0.0.1:${yield* through(listens)}`
        return { name, port, url: `http://127.0.0.1:${port}`, listens: `http://127.0.0.1:${listens}`, peer }
      }))
    const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(",")
    return yield* Effect.forEach(
      members,
      ({ listens, name, peer, port, url }) =>
        Server.make({
          name,
          port,
          url,
          command: (data) => [
            binary.path,
            "--data-dir",
            data,
            ...`--name ${name} --listen-client-urls ${url} --advertise-client-urls ${url}`.split(" "),
            ...`--listen-peer-urls ${listens} --initial-advertise-peer-urls ${peer}`.split(" "),
            ...`--initial-cluster ${cluster} --initial-cluster-state new --initial-cluster-token ${cluster}`.split(" "),
            ...flags.split(" ")
          ],
          env: binary.env,
          ready: healthy(url)
        }),
      { concurrency: "unbounded" }
    )
  })

const flags = "--heartbeat-interval 50 --election-timeout 500 --unsafe-no-fsync --logger zap --log-level error"

const healthy = (url: string): Effect.Effect<boolean> =>
  Effect.tryPromise(async (signal) => {
    const response = await globalThis.fetch(`${url}/health`, { signal })
    return response.ok && /"health":\s*"?true/.test(await response.text())
  }).pipe(Effect.orElseSucceed(() => false))
