import { type JobRound, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { NatsJobStore } from "../src/index.ts"

/** One server, which keeps its data when it is killed. */
export const subject: JobRound.Subject = {
  name: "nats",
  start: Effect.map(Servers.nats, (server) => ({
    layer: NatsJobStore.layer({ servers: [server.url], commandTimeout: "2 seconds" }),
    worker: { module: new URL("fixtures/jobWorker.ts", import.meta.url), env: { NATS_URL: server.url } },
    restart: server.restart()
  }))
}
