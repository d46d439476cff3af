import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Outcome } from "../AdaptiveLimiter.ts"
import { hasTag } from "./policyRun.ts"

/** What says that there was too much: time was over, or somebody further on refused. */
const drops = [
  "TimeoutError",
  "DeadlineExceeded",
  "LimitReached",
  "BulkheadFull",
  "BulkheadTimeout",
  "RateLimited"
]

export const byTag = (exit: Exit.Exit<unknown, unknown>): Outcome => {
  if (Exit.isSuccess(exit)) return "success"
  return Option.exists(Cause.findErrorOption(exit.cause), (error) => hasTag(drops, error)) ? "dropped" : "ignored"
}
