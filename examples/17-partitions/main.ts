// Events of ten accounts are applied in order by account. One account is slow, one event is bad, and then the service stops.
//   node --conditions=@heddle/source examples/17-partitions/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Partitioner } from "heddle/flow"
import { fileURLToPath } from "node:url"

interface Event {
  readonly account: number
  readonly step: number
}

/** A hundred events are brought and the service is stopped at once: what was applied, in its order, and what was left. */
export const scene = Effect.gen(function*() {
  const applied: Array<Event> = []
  const partitioner = yield* Partitioner.make({
    key: (event: Event) => event.account,
    handle: (event) =>
      Effect.gen(function*() {
        yield* Effect.sleep(event.account === 0 ? "50 millis" : "5 millis")
        if (event.account === 1 && event.step === 5) return yield* Effect.fail("bad event")
        applied.push(event)
      }),
    concurrency: 10
  })
  for (let at = 0; at < 100; at++) {
    yield* partitioner.enqueue({ account: at % 10, step: Math.floor(at / 10) + 1 })
  }
  const { interrupted, notRun } = yield* partitioner.shutdown("5 seconds")
  const late = yield* Effect.flip(partitioner.submit({ account: 3, step: 11 }))
  return { applied, left: notRun.length + interrupted.length, late: late.toString() }
}).pipe(Effect.scoped)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { applied, late, left } = yield* scene
    for (const account of [0, 1, 2]) {
      const steps = applied.filter((event) => event.account === account).map(({ step }) => step)
      yield* Console.log(`account ${account}: ${steps.join(" ")}`)
    }
    const slow = applied.findIndex(({ account, step }) => account === 0 && step === 2)
    yield* Console.log(
      `${applied.length} of 100 events were applied, ${left} are left; ${slow} before the slow one's second`
    )
    yield* Console.log(`and one that came too late: ${late}`)
  }))
}
