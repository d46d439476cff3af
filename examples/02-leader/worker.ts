// One process of the crew: campaigns, says when it leads, and works until it is killed or told to stop.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { LeaderElection, LeaseStore } from "heddle/coordination"
import { fileURLToPath } from "node:url"

/** Leads for as long as it can, and says each term of its own. */
export const lead = (worker: string, say: (term: bigint) => Effect.Effect<unknown>) =>
  LeaderElection.runAsLeader("the-scene", { value: worker, owner: worker, ttl: "2 seconds" })((mine) =>
    Effect.andThen(say(mine.term), Effect.never)
  )

const leases = LeaseStore.layerConfig({
  redis: async (url) => {
    const { RedisLeaseStore } = await import("@heddle/redis")
    return RedisLeaseStore.layer({ url })
  },
  etcd: async (url) => {
    const { EtcdLeaseStore } = await import("@heddle/etcd")
    return EtcdLeaseStore.layer({ url: Redacted.value(url) })
  }
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const worker = process.argv[2] ?? "worker"
  NodeRuntime.runMain(lead(worker, (term) => Console.log(`leads ${term}`)).pipe(Effect.provide(leases)))
}
