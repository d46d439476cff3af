import * as Mollitia from "mollitia"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const circuit = (state: Mollitia.BreakerState) => {
  const breaker = new Mollitia.SlidingCountBreaker({
    state,
    slidingWindowSize: 5,
    minimumNumberOfCalls: 5,
    failureRateThreshold: 100,
    openStateDelay: 3_600_000
  })
  return new Mollitia.Circuit({ func: () => Promise.resolve(1), options: { modules: [breaker] } })
}

export const open: Open = () => {
  const closed = circuit(Mollitia.BreakerState.CLOSED)
  return Promise.resolve(repeatAsync(() => closed.execute()))
}
