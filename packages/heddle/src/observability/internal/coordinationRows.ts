import { type MetricRow, rowsOf } from "./MetricRow.ts"

/** As the stores name themselves: the label `backend`. */
export const backends: ReadonlyArray<string> = ["memory", "redis", "redlock", "etcd", "postgres", "postgres-advisory"]

const backend = { backend: backends }
const outcome = (...values: ReadonlyArray<string>) => ({ outcome: values })

const ofLock = (of: string, noun: string, what: string, labels: MetricRow["labels"]): ReadonlyArray<MetricRow> => {
  const { counter, histogram } = rowsOf(of, { ...backend, ...labels }, "attempt")
  const outcomes = outcome("success", "timeout", "contended", "error", "lost")
  return [
    counter(`heddle_${noun}_acquisitions_total`, `Attempts to take ${what}, by how they ended`, outcomes),
    histogram(`heddle_${noun}_wait_seconds`, `How long attempts waited for ${what}, whatever came of it`),
    histogram(`heddle_${noun}_hold_seconds`, `How long holds of ${what} lasted`)
  ]
}

const lease = rowsOf("LeaseStore", backend, "lease")
const election = rowsOf("LeaderElection", backend, "term")
const membership = rowsOf("Membership", backend, "membership")
const kv = rowsOf("Kv", { ...backend, namespace: "named" }, "value")

export const coordinationRows: ReadonlyArray<MetricRow> = [
  ...ofLock("DistributedLock", "lock", "a lock", { lock: "named" }),
  ...ofLock("ReadWriteLock", "rwlock", "a read-write lock", { mode: ["read", "write"] }),
  ...ofLock("DistributedSemaphore", "semaphore", "permits of a semaphore", { semaphore: "named" }),
  lease.counter(
    "heddle_lease_renewals_total",
    "Leases renewed, and renewals that failed and will be tried again",
    outcome("renewed", "failed")
  ),
  lease.counter("heddle_lease_losses_total", "Leases that ended while they were held", {
    reason: ["expired", "revoked"]
  }),
  lease.gauge("heddle_lease_waiters", "Claims of this process that stand in line"),
  election.counter("heddle_election_terms_total", "Terms that this process has won"),
  election.gauge("heddle_election_leading", "Terms that this process leads now, as far as it has found out"),
  membership.counter("heddle_membership_joins_total", "How often this process has joined a group"),
  membership.gauge("heddle_membership_joined", "Memberships of this process now, as far as it has found out"),
  kv.counter(
    "heddle_kv_writes_total",
    "Writes of typed values, by what became of them",
    outcome("made", "conflict", "error")
  ),
  kv.counter("heddle_kv_undecodable_total", "Values that were read and could not be decoded"),
  kv.counter("heddle_kv_missed_total", "Times that changes were lost to who watched, and everything was read again"),
  rowsOf("Once", backend, "call").counter(
    "heddle_once_calls_total",
    "Calls of Once.run, by how they ended",
    outcome("ran", "shared", "failed", "lost", "timeout", "conflict", "error")
  ),
  rowsOf("Barrier", backend, "await").counter(
    "heddle_barrier_awaits_total",
    "Awaits of a barrier, by how they ended",
    outcome("passed", "broken", "timeout", "error")
  ),
  rowsOf("Cron", { ...backend, cron: "named" }, "tick").counter(
    "heddle_cron_ticks_total",
    "Ticks that this process began, by how they ended",
    outcome("ran", "failed", "interrupted")
  )
]
