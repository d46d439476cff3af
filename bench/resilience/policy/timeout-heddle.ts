import * as Effect from "effect/Effect"
import { Deadline } from "heddle/resilience"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"

export const open: Open = () => {
  const bounded = Deadline.within("1 minute")
  return Promise.resolve(repeat(Effect.suspend(() => bounded(Effect.succeed(1)))))
}
