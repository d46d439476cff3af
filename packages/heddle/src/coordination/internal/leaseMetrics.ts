import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const renewals = Metric.counter("heddle_lease_renewals_total", {
  description: "Leases renewed, and renewals that failed and will be tried again",
  incremental: true
})
const losses = Metric.counter("heddle_lease_losses_total", {
  description: "Leases that ended while they were held",
  incremental: true
})
const waiters = Metric.gauge("heddle_lease_waiters", { description: "Claims of this process that stand in line" })

export interface LeaseMetrics {
  readonly renewed: (outcome: "renewed" | "failed", count: number) => void
  readonly lost: (reason: "expired" | "revoked") => void
  readonly waiting: (change: 1 | -1) => void
}

/** The series of one store; the handles are made once, because attributes given per update cost five times as much. */
export const leaseMetrics = (backend: string, context: Context.Context<never>): LeaseMetrics => {
  const renewed = {
    renewed: Metric.withAttributes(renewals, { backend, outcome: "renewed" }),
    failed: Metric.withAttributes(renewals, { backend, outcome: "failed" })
  }
  const lost = {
    expired: Metric.withAttributes(losses, { backend, reason: "expired" }),
    revoked: Metric.withAttributes(losses, { backend, reason: "revoked" })
  }
  const waiting = Metric.withAttributes(waiters, { backend })
  return {
    renewed: (outcome, count) => renewed[outcome].updateUnsafe(count, context),
    lost: (reason) => lost[reason].updateUnsafe(1, context),
    waiting: (change) => waiting.modifyUnsafe(change, context)
  }
}
