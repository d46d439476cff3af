import CircuitBreaker from "opossum"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const options = { timeout: 60_000, resetTimeout: 3_600_000, capacity: 100 }
  const breaker = new CircuitBreaker(() => Promise.resolve(1), options)
  breaker.fallback(() => 0)
  return Promise.resolve(repeatAsync(() => breaker.fire()))
}
