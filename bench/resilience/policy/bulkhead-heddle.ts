import * as Effect from "effect/Effect"
import { Bulkhead } from "heddle/resilience"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const bulkhead = await Effect.runPromise(Bulkhead.make({ name: "bench", running: 100, waiting: 100 }))
  return repeat(Effect.suspend(() => bulkhead.run(Effect.succeed(1))))
}
