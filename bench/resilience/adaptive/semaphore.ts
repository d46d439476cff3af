/** A limit that stays: what there is without a limiter that follows. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const semaphore = await Effect.runPromise(Semaphore.make(20))
  return repeat(Effect.suspend(() => semaphore.withPermitsIfAvailable(1)(Effect.succeed(1))))
}
