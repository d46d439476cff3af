import { Chaos, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { PostgresKvStore, PostgresLeaseStore } from "../src/index.ts"

/** One server. It keeps its data when it is killed; without its data its tokens still grow, and nothing else is promised. */
export const subject = Chaos.onServers({
  name: "postgres",
  start: Effect.map(Servers.postgres, (server) => ({ servers: [server] })),
  leases: ([url]) => PostgresLeaseStore.layer({ url, commandTimeout: "1 second", heartbeat: "200 millis" }),
  keys: ([url]) => PostgresKvStore.layer({ url, commandTimeout: "1 second" }),
  worker: ([url]) => ({ module: new URL("fixtures/leaseWorker.ts", import.meta.url), env: { POSTGRES_URL: url } }),
  wiped: "tokens"
})
