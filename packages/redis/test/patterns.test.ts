import {
  barrierLaws,
  countDownLatchLaws,
  cronLaws,
  distributedSemaphoreLaws,
  kvLaws,
  leaderElectionLaws,
  membershipLaws,
  onceLaws,
  readWriteLockLaws
} from "@heddle/testkit/laws"
import * as Layer from "effect/Layer"
import { inject } from "vitest"
import { RedisKvStore, RedisLeaseStore } from "../src/index.ts"

const leases = RedisLeaseStore.layer({ url: inject("redisUrl"), prefix: "patterns" })

leaderElectionLaws("redis", leases)
membershipLaws("redis", leases)
readWriteLockLaws("redis", leases, { resizable: true })
distributedSemaphoreLaws("redis", leases, { resizable: true })

const keys = RedisKvStore.layer({ url: inject("redisUrl"), prefix: "patterns" })

kvLaws("redis", keys)
onceLaws("redis", keys)
barrierLaws("redis", keys)
countDownLatchLaws("redis", keys)
cronLaws("redis", Layer.merge(leases, keys))
