import { bulkhead } from "cockatiel"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const policy = bulkhead(100, 100)
  return Promise.resolve(repeatAsync(() => policy.execute(() => Promise.resolve(1))))
}
