import { type JobRound, Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { RedisJobStore } from "../src/index.ts"

/** One server, which keeps its data when it is killed. */
export const subject: JobRound.Subject = {
  name: "redis",
  start: Effect.map(Servers.redis, (server) => ({
    layer: RedisJobStore.layer({ url: server.url, commandTimeout: "2 seconds" }),
    worker: { module: new URL("fixtures/jobWorker.ts", import.meta.url), env: { REDIS_URL: server.url } },
    restart: server.restart()
  }))
}
