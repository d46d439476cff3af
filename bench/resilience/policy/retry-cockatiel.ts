import { handleAll, retry } from "cockatiel"
import type { Open } from "../../harness/Load.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const policy = retry(handleAll, { maxAttempts: 3 })
  return Promise.resolve(repeatAsync(() => policy.execute(() => Promise.resolve(1))))
}
