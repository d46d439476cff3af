/** A call that a rate limit lets go, in one process and on Redis. The limit is so high that nobody is refused. */
import { Servers } from "@heddle/testkit"
import type { Match } from "../harness/loads.ts"

const from = import.meta.url

export const matches: ReadonlyArray<Match> = [
  {
    title: "Rate limiter, in memory: calls let go a second",
    from,
    count: 100_000,
    rounds: 5,
    contenders: [
      ["heddle, window", "limiter/heddle-window.ts"],
      ["heddle, gcra", "limiter/heddle-gcra.ts"],
      ["Effect's RateLimiter, fixed window", "limiter/effect.ts"],
      ["rate-limiter-flexible, fixed window", "limiter/flexible.ts"]
    ]
  },
  {
    title: "Rate limiter, in memory, one effect again and again: calls let go a second",
    from,
    count: 300_000,
    rounds: 5,
    contenders: [
      ["heddle, window", "limiter/heddle-window-again.ts"],
      ["heddle, gcra", "limiter/heddle-gcra-again.ts"],
      ["Effect's RateLimiter, fixed window", "limiter/effect-again.ts"]
    ]
  },
  {
    title: "Rate limiter, on Redis, 64 in flight: calls let go a second",
    from,
    count: 50_000,
    rounds: 5,
    server: Servers.redis,
    contenders: [
      ["the shortest script, raw EVALSHA on ioredis", "limiter-redis/raw.ts"],
      ["heddle, window", "limiter-redis/heddle.ts"],
      ["heddle, gcra", "limiter-redis/heddle-gcra.ts"],
      ["heddle, leased, a thousand a trip", "limiter-redis/heddle-leased.ts"],
      ["Effect's RateLimiter, fixed window", "limiter-redis/effect.ts"],
      ["rate-limiter-flexible, fixed window", "limiter-redis/flexible.ts"]
    ]
  },
  {
    title: "Rate limiter that is slow, on Redis, 64 in flight: calls let go a second",
    from,
    count: 3000,
    rounds: 3,
    server: Servers.redis,
    contenders: [
      ["heddle, window", "limiter-redis/heddle.ts"],
      ["bottleneck", "limiter-redis/bottleneck.ts"]
    ]
  }
]
