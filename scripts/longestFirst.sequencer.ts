import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Files that wait for more than 20 seconds, longest first. Whoever comes late holds up the end of the run. */
const long = [
  "redis/test/RedisCluster",
  "etcd/test/EtcdLeaseStore",
  "postgres/test/PostgresLeaseStore",
  "redis/test/RedisLeaseStore",
  "postgres/test/PostgresAdvisoryLeaseStore",
  "redis/test/RedlockLeaseStore",
  "docs/test/site",
  "examples/01-one-at-a-time/main",
  "examples/99-code-index/main",
  "testkit/test/Servers",
  "examples/00-tour/main",
  "etcd/test/cluster",
  "nats/test/jobProcesses",
  "examples/40-work-queue/main",
  "examples/44-sums/main",
  "etcd/test/patterns",
  "nats/test/NatsLogStore",
  "examples/08-cron-fleet/main",
  "nats/test/NatsJobStore"
]

/** Longest first; then what talks to servers and processes, and last what only computes, whose order matters to nobody. */
const rank = ({ moduleId, project }: TestSpecification): number => {
  const at = long.findIndex((name) => moduleId.endsWith(`${name}.test.ts`))
  if (at !== -1) return at
  return long.length + (["heddle", "docs", "tree"].includes(project.name) ? 1 : 0)
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}
