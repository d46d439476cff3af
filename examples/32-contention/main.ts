// Transfers between accounts that lock both: one after the other in the order in which they are named, until two wait for each other.
//   node --conditions=@heddle/source examples/32-contention/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { Contention } from "heddle/observability"
import { fileURLToPath } from "node:url"

const options = { name: "account", waitFor: "1 second" } as const

/** The bug: whoever transfers the other way takes the locks the other way around. */
export const crossed = (from: string, to: string) =>
  DistributedLock.withLock(from, options)(
    Effect.andThen(Effect.sleep("20 millis"), DistributedLock.withLock(to, options)(Effect.sleep("20 millis")))
  )

/** Heddle takes many locks in one order, whoever asks. */
export const ordered = (from: string, to: string) =>
  DistributedLock.withLocks([from, to], options)(Effect.sleep("40 millis"))

/** A few transfers at once: a report in the middle, one of all of it, and how many came to their end. */
export const day = (transfer: typeof crossed | typeof ordered) =>
  Effect.gen(function*() {
    const named = Effect.fn("transfer")((from: string, to: string) => Effect.isSuccess(transfer(from, to)))
    const all = [named("ann", "bob"), named("bob", "ann"), named("ann", "eve")]
    const running = yield* Effect.forkChild(Effect.all(all, { concurrency: "unbounded" }))
    yield* Effect.sleep("50 millis")
    const during = yield* Contention.report
    const done = yield* Fiber.join(running)
    return { during, after: yield* Contention.report, done: done.filter((one) => one).length }
  }).pipe(Effect.provide([Contention.layer, LeaseStore.layerMemory]))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const { after, done, during } = yield* day(crossed)
    yield* Console.log(`in the middle\n${Contention.table(during)}\n\n${Contention.mermaid(during)}\n`)
    yield* Console.log(`after: ${done} of 3 are done\n${Contention.table(after)}`)
  }))
}
