import { PoolClosed, PoolFull, TaskTimeout } from "../PoolError.ts"

export type Refusal = PoolFull | PoolClosed | TaskTimeout

/** All that a pool can answer in place of a result, made once: a refusal is frequent where there is too much work. */
export interface PoolErrors {
  readonly full: Refusal
  readonly waited: Refusal
  readonly dropped: Refusal
  readonly closed: Refusal
  readonly cut: Refusal
  readonly late: Refusal
  readonly timedOut: Refusal
}

export const poolErrors = (pool: string): PoolErrors => ({
  full: new PoolFull({ pool, reason: "full" }),
  waited: new PoolFull({ pool, reason: "waited" }),
  dropped: new PoolFull({ pool, reason: "dropped" }),
  closed: new PoolClosed({ pool, started: false }),
  cut: new PoolClosed({ pool, started: true }),
  late: new TaskTimeout({ pool, started: false }),
  timedOut: new TaskTimeout({ pool, started: true })
})
