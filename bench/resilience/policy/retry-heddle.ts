import * as Effect from "effect/Effect"
import { Retry } from "heddle/resilience"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = async () => {
  const retry = await Effect.runPromise(Retry.make({ name: "bench" }))
  return repeat(Effect.suspend(() => retry.run(Effect.succeed(1))))
}
