import { Chaos, EtcdNetwork } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { EtcdKvStore, EtcdLeaseStore } from "../src/index.ts"

/** A cluster of three members, of which one at a time is harmed, or cut off from the others. */
export const subject = Chaos.onServers({
  name: "etcd",
  start: Effect.map(EtcdNetwork.make(3), ({ cut, members }) => ({
    servers: members,
    faults: members.flatMap((member): ReadonlyArray<Chaos.Fault> => [
      { name: `cut ${member.name} off from the others`, lane: "servers", strike: cut(member, "both") },
      { name: `let ${member.name} not hear the others`, lane: "servers", strike: cut(member, "in") },
      { name: `let ${member.name} not be heard by the others`, lane: "servers", strike: cut(member, "out") }
    ])
  })),
  leases: (url) => EtcdLeaseStore.layer({ url, requestTimeout: "1 second" }),
  keys: (url) => EtcdKvStore.layer({ url, requestTimeout: "1 second" }),
  worker: (urls) => ({
    module: new URL("fixtures/leaseWorker.ts", import.meta.url),
    env: { URL: urls.join(), PREFIX: "heddle" }
  })
})
