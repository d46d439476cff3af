import { BreakerState } from "mollitia"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"
import { circuit } from "./mollitia.ts"

export const open: Open = () => {
  const opened = circuit(BreakerState.OPENED)
  return Promise.resolve(repeatAsync(() => opened.execute().catch(() => {})))
}
