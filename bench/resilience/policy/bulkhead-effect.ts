import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const semaphore = await Effect.runPromise(Semaphore.make(100))
  return repeat(Effect.suspend(() => semaphore.withPermits(1)(Effect.succeed(1))))
}
