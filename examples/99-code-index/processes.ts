import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { Assignment } from "./assignment.ts"
import type { Crew } from "./crew.ts"
import type { Stack } from "./stack.ts"

const entry = fileURLToPath(new URL("process.ts", import.meta.url))

/** Workers that are processes of their own: they share nothing but the servers and the index file. */
export const processes = (stack: Stack): Crew<ChildProcessSpawner> => ({
  start: (run, worker) =>
    Effect.gen(function*() {
      const orders = yield* Queue.unbounded<string, Cause.Done>()
      const assignment = Schema.encodeSync(Assignment)({ run, worker, stack })
      const child = yield* ChildProcess.make(process.execPath, ["--conditions=@heddle/source", entry, assignment], {
        stdin: Stream.encodeText(Stream.fromQueue(orders)),
        stderr: "inherit",
        forceKillAfter: "20 seconds"
      })
      const ended = Effect.exit(child.exitCode)
      const first = yield* Stream.runHead(Stream.splitLines(Stream.decodeText(child.stdout)))
      if (Option.isNone(first)) return yield* Effect.fail(new Error(`worker ${worker} ended before it was ready`))
      return {
        ended,
        begin: Queue.offer(orders, "begin\n"),
        standStill: Queue.offer(orders, "stand still\n"),
        kill: Effect.ignore(child.kill({ killSignal: "SIGKILL" })),
        // SIGTERM, and the code that `Shutdown` ends with where nothing was left undone.
        stop: Effect.matchEffect(Effect.andThen(child.kill(), child.exitCode), {
          onSuccess: (code) => Effect.succeed(code === 143),
          onFailure: () => Effect.succeed(false)
        })
      }
    }),
  killed: "killed (SIGKILL) while it held the lock",
  freed: "its lease ran out"
})
