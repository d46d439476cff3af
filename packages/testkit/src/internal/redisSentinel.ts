import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Server from "../Server.ts"
import type { Binary } from "./Binaries.ts"
import * as Ports from "./Ports.ts"
import { ask, configured, node, pong } from "./redis.ts"
import { until } from "./until.ts"

const sentinels = 3
const quorum = 2

/** A primary and its replica, and three who watch over it under this name. */
export const start = (binary: Binary, name: string) =>
  Effect.gen(function*() {
    const [port, other] = [yield* Ports.reserve, yield* Ports.reserve]
    const primary = yield* node(binary, { name: "redis-1", port, config: replicated })
    const replica = yield* node(binary, {
      name: "redis-2",
      port: other,
      config: [...replicated, `replicaof 127.0.0.1 ${port}`]
    })
    const watching = yield* Effect.forEach(Arr.range(1, sentinels), (n) =>
      Effect.flatMap(Ports.reserve, (own) =>
        Server.make({
          name: `sentinel-${n}`,
          port: own,
          url: `redis://127.0.0.1:${own}`,
          command: (
            data
          ) => [...configured(binary, join(data, "sentinel.conf"), settings(own, port, name)), "--sentinel"],
          env: binary.env,
          ready: Effect.andThen(ask(own, `SENTINEL DEBUG ${haste}`), pong(own))
        })), { concurrency: "unbounded" })
    const ready = yield* until(
      Effect.map(
        Effect.forEach(watching, ({ port }) =>
          ask(port, `SENTINEL MASTER ${name}`)),
        (answers) =>
          answers.every((answer) =>
            /num-slaves\r\n\$1\r\n1\r/.test(answer) &&
            answer.includes(`num-other-sentinels\r\n$1\r\n${sentinels - 1}\r`)
          )
      ),
      "1 minute"
    )
    if (!ready) {
      return yield* new Server.ServerError({
        server: name,
        reason: "Start",
        message: `the sentinels of ${primary.url} did not find each other within a minute`
      })
    }
    return { name, primary, replica, sentinels: watching }
  })

/** One that was held up, as on a busy machine, mistrusts its clock for a tenth of the usual half minute. */
const haste = "info-period 100 publish-period 100 tilt-period 3000"

/** A replica need not wait for others that may come. */
const replicated = ["repl-diskless-sync-delay 0"]

const settings = (port: number, primary: number, name: string): ReadonlyArray<string> => [
  `port ${port}`,
  "bind 127.0.0.1",
  "protected-mode no",
  `sentinel monitor ${name} 127.0.0.1 ${primary} ${quorum}`,
  `sentinel down-after-milliseconds ${name} 1500`,
  `sentinel failover-timeout ${name} 2000`
]
