/** A call that succeeds, through each guard alone and through five of them. The call and its guards are put together each time. */
import type { Match } from "../harness/loads.ts"

const match = (title: string, folder: string, peers: ReadonlyArray<readonly [name: string, file: string]>): Match => ({
  title: `${title}: calls a second`,
  from: import.meta.url,
  count: 200_000,
  rounds: 5,
  contenders: [["heddle", "heddle"], ...peers].map(([name = "", file = ""]) => [name, `policy/${folder}-${file}.ts`])
})

const cockatiel = ["cockatiel", "cockatiel"] as const
const mollitia = ["mollitia", "mollitia"] as const

export const matches: ReadonlyArray<Match> = [
  match("Bulkhead, a place is free", "bulkhead", [["Effect's Semaphore", "effect"], cockatiel, mollitia]),
  match("Timeout that is not over", "timeout", [
    ["Effect.timeout", "effect"],
    cockatiel,
    ["opossum", "opossum"],
    mollitia
  ]),
  match("Retry of what succeeds", "retry", [["Effect.retry", "effect"], cockatiel, mollitia]),
  match("Five guards", "five", [
    ["Effect's own five", "effect"],
    cockatiel,
    ["opossum (four: it has no retry)", "opossum"],
    mollitia
  ])
]
