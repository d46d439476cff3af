import { distributedSemaphoreLaws, leaderElectionLaws, membershipLaws, readWriteLockLaws } from "@heddle/testkit/laws"
import { inject } from "vitest"
import { EtcdLeaseStore } from "../src/index.ts"

const leases = EtcdLeaseStore.layer({ url: inject("etcdUrl"), prefix: "patterns" })

leaderElectionLaws("etcd", leases)
membershipLaws("etcd", leases)
readWriteLockLaws("etcd", leases)
distributedSemaphoreLaws("etcd", leases)
