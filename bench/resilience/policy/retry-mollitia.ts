import * as Mollitia from "mollitia"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const circuit = new Mollitia.Circuit({
    func: () => Promise.resolve(1),
    options: {
      modules: [
        new Mollitia.Retry({ attempts: 3 })
      ]
    }
  })
  return Promise.resolve(repeatAsync(() => circuit.execute()))
}
