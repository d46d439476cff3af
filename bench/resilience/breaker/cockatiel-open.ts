import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"
import { circuit } from "./cockatiel.ts"

export const open: Open = async () => {
  const breaker = circuit()
  const ignore = () => {}
  for (let turn = 0; turn < 5; turn++) await breaker.execute(() => Promise.reject(new Error("bad"))).catch(ignore)
  return repeatAsync(() => breaker.execute(() => Promise.resolve(1)).catch(ignore))
}
