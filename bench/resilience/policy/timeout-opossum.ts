import CircuitBreaker from "opossum"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

/** It has no timeout without a breaker. */
export const open: Open = () => {
  const breaker = new CircuitBreaker(() => Promise.resolve(1), { timeout: 60_000, resetTimeout: 3_600_000 })
  return Promise.resolve(repeatAsync(() => breaker.fire()))
}
