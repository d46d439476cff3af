import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = () => {
  const minute = Duration.minutes(1)
  return Promise.resolve(repeat(Effect.suspend(() => Effect.timeout(Effect.succeed(1), minute))))
}
