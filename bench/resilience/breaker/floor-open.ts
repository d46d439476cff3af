import * as Effect from "effect/Effect"
import type { Open } from "../../harness/Load.ts"
import { repeat } from "../repeat.ts"
import { circuit } from "./floor.ts"

export const open: Open = async () => {
  const run = circuit()
  await Effect.runPromise(Effect.repeat(Effect.exit(run(Effect.fail("bad"))), { times: 4 }))
  return repeat(Effect.exit(run(Effect.succeed(1))))
}
