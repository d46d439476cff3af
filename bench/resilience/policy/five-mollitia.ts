import * as Mollitia from "mollitia"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const circuit = new Mollitia.Circuit({
    func: () => Promise.resolve(1),
    options: {
      modules: [
        new Mollitia.Fallback({ callback: () => 0 }),
        new Mollitia.Retry({ attempts: 3 }),
        new Mollitia.SlidingCountBreaker({
          slidingWindowSize: 5,
          minimumNumberOfCalls: 5,
          failureRateThreshold: 100,
          openStateDelay: 3_600_000
        }),
        new Mollitia.Bulkhead({ concurrentSize: 100, queueSize: 100 }),
        new Mollitia.Timeout({ delay: 60_000 })
      ]
    }
  })
  return Promise.resolve(repeatAsync(() => circuit.execute()))
}
