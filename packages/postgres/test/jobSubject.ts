import { type JobRound, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { PostgresJobStore } from "../src/index.ts"

/** One server, which keeps its data when it is killed. */
export const subject: JobRound.Subject = {
  name: "postgres",
  start: Effect.map(Servers.postgres, (server) => ({
    layer: PostgresJobStore.layer({ url: server.url, commandTimeout: "2 seconds" }),
    worker: { module: new URL("fixtures/jobWorker.ts", import.meta.url), env: { POSTGRES_URL: server.url } },
    restart: server.restart()
  }))
}
