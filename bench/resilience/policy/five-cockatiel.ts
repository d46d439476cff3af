import { bulkhead, fallback, handleAll, retry, timeout, TimeoutStrategy, wrap } from "cockatiel"
import type { Open } from "../../harness/Load.ts"
import { circuit } from "../breaker/cockatiel.ts"
import { repeatAsync } from "../repeat.ts"

export const open: Open = () => {
  const policy = wrap(
    fallback(handleAll, 0),
    retry(handleAll, { maxAttempts: 3 }),
    circuit(),
    bulkhead(100, 100),
    timeout(60_000, TimeoutStrategy.Aggressive)
  )
  return Promise.resolve(repeatAsync(() => policy.execute(() => Promise.resolve(1))))
}
