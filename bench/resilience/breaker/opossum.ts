import CircuitBreaker from "opossum"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const circuit = () => new CircuitBreaker(() => Promise.resolve(1), { timeout: false, resetTimeout: 3_600_000 })

export const open: Open = () => {
  const breaker = circuit()
  return Promise.resolve(repeatAsync(() => breaker.fire()))
}
