/** A limit that stays, and refuses: cockatiel has none that follows. */
import { bulkhead } from "cockatiel"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const policy = bulkhead(20, 0)
  return Promise.resolve(repeatAsync(() => policy.execute(() => 1)))
}
