import type * as Context from "effect/Context"
import { type Counts, family } from "./flowMetrics.ts"
import type { Outcome } from "./PoolJob.ts"

const counted = {
  depth: "Tasks in the queue",
  waiting: "Submitters that wait for room in the queue",
  active: "Tasks that run",
  size: "Tasks that may run at a time",
  completed: "Tasks that ended well",
  failed: "Tasks that ended by a failure or a defect",
  interrupted: "Tasks that were interrupted, by their submitter, themselves or a shutdown",
  late: "Tasks that were ended by their deadline",
  dropped: "Tasks that left the queue for a newer one or by a shutdown",
  refused: "Tasks that were not accepted"
}

/** The series of a pool. Pools with one name share one. */
export interface PoolMetrics {
  readonly counts: Counts<keyof typeof counted>
  /** Told, in milliseconds, how long a task waited and how long it took in all; only where the pool has a name. */
  readonly took: ((waited: number, whole: number) => void) | undefined
}

/** Which counter an outcome is counted by. */
export const counterOf = {
  completed: "completed",
  failed: "failed",
  interrupted: "interrupted",
  cut: "interrupted",
  timedOut: "late",
  dropped: "dropped",
  notRun: "dropped"
} as const satisfies Record<Outcome, keyof typeof counted>

export const poolMetrics = (noun: string) => {
  const series = family(
    noun,
    counted,
    "From the moment a task was submitted to its end",
    "How long tasks waited before they ran"
  )
  return (context: Context.Context<never>, name: string | undefined): PoolMetrics => {
    const { counts, latency, waited } = series.of(context, { name })
    if (latency === undefined || waited === undefined) return { counts, took: undefined }
    return {
      counts,
      took: (wait, whole) => {
        waited(wait / 1000)
        latency.took(whole / 1000)
      }
    }
  }
}
