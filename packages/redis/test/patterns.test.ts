import { distributedSemaphoreLaws, leaderElectionLaws, membershipLaws, readWriteLockLaws } from "@heddle/testkit/laws"
import { inject } from "vitest"
import { RedisLeaseStore } from "../src/index.ts"

const leases = RedisLeaseStore.layer({ url: inject("redisUrl"), prefix: "patterns" })

leaderElectionLaws("redis", leases)
membershipLaws("redis", leases)
readWriteLockLaws("redis", leases, { resizable: true })
distributedSemaphoreLaws("redis", leases, { resizable: true })
