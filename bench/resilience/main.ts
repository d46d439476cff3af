/** The patterns for work that fails, beside their peers. Each pattern brings a list of matches. */
import { play } from "../harness/loads.ts"
import { matches as adaptive } from "./adaptive.ts"
import { matches as breaker } from "./breaker.ts"
import { matches as policy } from "./policy.ts"
import { matches as rateLimiter } from "./rate-limiter.ts"

export const resilience = play("resilience", [...adaptive, ...breaker, ...policy, ...rateLimiter])
