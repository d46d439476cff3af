/** The patterns for work that fails, beside their peers. Each pattern brings a list of matches. */
import { play } from "../harness/loads.ts"
import { matches as breaker } from "./breaker.ts"
import { matches as policy } from "./policy.ts"

export const resilience = play("resilience", [...breaker, ...policy])
