// Three services are asked for one answer, in four ways of going wrong, and nobody waits longer than they said.
//   node --conditions=@heddle/source examples/12-timed-operations/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Hedge } from "heddle/flow"
import { fileURLToPath } from "node:url"

const service = (name: string, millis: number) => Effect.delay(Effect.succeed(`${name} result`), millis)
const broken = (name: string, millis: number) => Effect.delay(Effect.fail(`${name} is away`), millis)

export const scene = Effect.gen(function*() {
  const first = yield* Hedge.firstSuccess([broken("fast", 50), service("medium", 100), service("slow", 200)])

  const none = yield* Effect.flip(Hedge.firstSuccess([broken("fast", 50), broken("medium", 100)]))
  const reasons = none instanceof Hedge.AllFailed ? none.causes.map((cause) => String(Cause.squash(cause))) : []

  const deaf = Effect.uninterruptible(service("deaf", 3000))
  const late = yield* Effect.flip(Hedge.firstSuccess([deaf], { within: "100 millis" }))

  let calls = 0
  const price = Effect.suspend(() => ++calls % 2 === 1 ? service("stuck", 60_000) : service("quick", 20))
  const hedged = yield* Hedge.hedged(price, { idempotent: true, delay: "50 millis" })
  return { first, reasons, late: late._tag, hedged, calls }
})

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { calls, first, hedged, late, reasons } = yield* scene
    yield* Console.log(`the first to succeed: ${first}`)
    yield* Console.log(`all failed: ${reasons.join(", ")}`)
    yield* Console.log(`one that does not listen: ${late}, after 100 ms and not 3 seconds`)
    yield* Console.log(`a call that is stuck: ${hedged}, from attempt ${calls}`)
  }))
}
