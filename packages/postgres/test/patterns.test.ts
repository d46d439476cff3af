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
import { PostgresKvStore, PostgresLeaseStore } from "../src/index.ts"

const options = { url: inject("postgresUrl"), schema: "patterns" } as const
const leases = PostgresLeaseStore.layer(options)

leaderElectionLaws("postgres", leases)
membershipLaws("postgres", leases)
readWriteLockLaws("postgres", leases, { resizable: true })
distributedSemaphoreLaws("postgres", leases, { resizable: true })

const keys = PostgresKvStore.layer(options)

kvLaws("postgres", keys)
onceLaws("postgres", keys)
barrierLaws("postgres", keys)
countDownLatchLaws("postgres", keys)
cronLaws("postgres", Layer.merge(leases, keys))
