/** A call that a rate limit lets go, in one process. The limit is so high that nobody is refused. */
import type { Match } from "../harness/loads.ts"

export const matches: ReadonlyArray<Match> = [
  {
    title: "Rate limiter, in memory: calls let go a second",
    from: import.meta.url,
    count: 100_000,
    rounds: 5,
    contenders: [
      ["heddle, window", "limiter/heddle-window.ts"],
      ["heddle, gcra", "limiter/heddle-gcra.ts"],
      ["Effect's RateLimiter, fixed window", "limiter/effect.ts"],
      ["rate-limiter-flexible, fixed window", "limiter/flexible.ts"]
    ]
  }
]
