import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Open } from "../../harness/Load.ts"
import { circuit } from "../breaker/effect.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const semaphore = await Effect.runPromise(Semaphore.make(100))
  const execute = await circuit()
  return repeat(Effect.suspend(() =>
    Effect.timeout(Effect.succeed(1), "1 minute").pipe(
      semaphore.withPermits(1),
      execute,
      Effect.retry({ times: 3 }),
      Effect.catch(() => Effect.succeed(0))
    )
  ))
}
