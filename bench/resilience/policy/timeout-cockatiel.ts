import { timeout, TimeoutStrategy } from "cockatiel"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const policy = timeout(60_000, TimeoutStrategy.Aggressive)
  return Promise.resolve(repeatAsync(() => policy.execute(() => Promise.resolve(1))))
}
