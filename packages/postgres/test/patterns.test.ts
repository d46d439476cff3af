import { distributedSemaphoreLaws, leaderElectionLaws, membershipLaws, readWriteLockLaws } from "@heddle/testkit/laws"
import { inject } from "vitest"
import { PostgresLeaseStore } from "../src/index.ts"

const leases = PostgresLeaseStore.layer({ url: inject("postgresUrl"), schema: "patterns" })

leaderElectionLaws("postgres", leases)
membershipLaws("postgres", leases)
readWriteLockLaws("postgres", leases, { resizable: true })
distributedSemaphoreLaws("postgres", leases, { resizable: true })
