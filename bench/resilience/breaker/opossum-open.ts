import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"
import { circuit } from "./opossum.ts"

export const open: Open = () => {
  const breaker = circuit()
  breaker.open()
  return Promise.resolve(repeatAsync(() => breaker.fire().catch(() => {})))
}
