import { Chaos, Servers } from "@heddle/testkit"
import { EtcdLeaseStore } from "../src/index.ts"

/** A cluster of three members, of which one at a time is harmed. */
export const subject = Chaos.onServers({
  name: "etcd",
  servers: Servers.etcdCluster(3),
  leases: (url) => EtcdLeaseStore.layer({ url, requestTimeout: "1 second" }),
  worker: (urls) => ({
    module: new URL("fixtures/leaseWorker.ts", import.meta.url),
    env: { URL: urls.join(), PREFIX: "heddle" }
  })
})
