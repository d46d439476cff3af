// Five workers share twenty tasks: three fail, and every outcome is there.
//   node --conditions=@heddle/source examples/10-fan-out/main.ts
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { FanOut } from "heddle/flow"
import { fileURLToPath } from "node:url"

const tasks = Array.from({ length: 20 }, (_, id) => ({ id, input: `Task ${id} input` }))

const processTask = ({ id, input }: typeof tasks[number]) =>
  Effect.andThen(
    Effect.sleep("100 millis"),
    id % 7 === 0 ? Effect.fail(`processing error on task ${id}`) : Effect.succeed(`processed: ${input}`)
  )

/** Every task, whatever becomes of the others. */
export const all = FanOut.gather(tasks, processTask, { workers: 5 })

/** What is done after 250 ms, with the progress told meanwhile; the rest is interrupted. */
export const some = (tell: (line: string) => Effect.Effect<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const run = yield* FanOut.start(tasks, processTask, { workers: 5 })
    const watched = Stream.runForEach(
      run.progress("100 millis"),
      ({ done, failed, total }) => tell(`${done} of ${total} done, ${failed} of them failed`)
    )
    yield* Effect.forkScoped(watched)
    return yield* run.within("250 millis")
  }))

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  NodeRuntime.runMain(Effect.gen(function*() {
    const exits = yield* all
    for (const [id, exit] of exits.entries()) {
      yield* Console.log(`Task ${id} ${Exit.isSuccess(exit) ? exit.value : "failed"}`)
    }
    const succeeded = exits.filter(Exit.isSuccess).length
    yield* Console.log(`Summary: ${succeeded} succeeded, ${exits.length - succeeded} failed`)
    const { complete, outcomes } = yield* some(Console.log)
    yield* Console.log(`After 250 ms: ${outcomes.length} outcomes, ${complete ? "all" : "not all"} of them`)
  }))
}
