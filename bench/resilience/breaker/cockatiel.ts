import { circuitBreaker, ConsecutiveBreaker, handleAll } from "cockatiel"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const circuit = () => circuitBreaker(handleAll, { halfOpenAfter: 3_600_000, breaker: new ConsecutiveBreaker(5) })

export const open: Open = () => {
  const breaker = circuit()
  return Promise.resolve(repeatAsync(() => breaker.execute(() => Promise.resolve(1))))
}
