/** A call that succeeds, and one that is refused, through a circuit breaker. */
import { Servers } from "@heddle/testkit"
import type { Match } from "../harness/loads.ts"

const from = import.meta.url

export const matches: ReadonlyArray<Match> = [
  {
    title: "Circuit breaker, closed: calls a second",
    from,
    count: 300_000,
    rounds: 5,
    contenders: [
      ["the leanest state machine in Effect", "breaker/floor.ts"],
      ["heddle", "breaker/heddle.ts"],
      ["Effect's CircuitBreaker", "breaker/effect.ts"],
      ["cockatiel", "breaker/cockatiel.ts"],
      ["opossum", "breaker/opossum.ts"],
      ["mollitia", "breaker/mollitia.ts"]
    ]
  },
  {
    title: "Circuit breaker, open: refusals a second",
    from,
    count: 100_000,
    rounds: 5,
    contenders: [
      ["the leanest state machine in Effect", "breaker/floor-open.ts"],
      ["heddle", "breaker/heddle-open.ts"],
      ["Effect's CircuitBreaker", "breaker/effect-open.ts"],
      ["cockatiel", "breaker/cockatiel-open.ts"],
      ["opossum", "breaker/opossum-open.ts"],
      ["mollitia", "breaker/mollitia-open.ts"]
    ]
  },
  {
    title: "Circuit breaker that a fleet shares, on Redis, 64 in flight: calls a second",
    from,
    count: 10_000,
    rounds: 3,
    server: Servers.redis,
    contenders: [
      ["heddle", "breaker-redis/heddle.ts"],
      ["Effect's CircuitBreaker", "breaker-redis/effect.ts"]
    ]
  }
]
