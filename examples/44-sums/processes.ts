import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import type { Shared } from "./backend.ts"
import type { Crew } from "./crew.ts"
import { Event, Order } from "./roles.ts"

/** Producers and workers that are processes of their own: they share nothing but the queues. */
export const processes = (
  backend: Shared,
  url: string
): Crew<PlatformError.PlatformError, ChildProcessSpawner> => ({
  start: (order) =>
    Effect.map(
      ChildProcess.make(
        process.execPath,
        ["--conditions=@heddle/source", entry, backend, url, Schema.encodeSync(Order)(order)],
        // Its stdin is open for as long as this process is there.
        { stdin: Stream.never, stderr: "inherit", forceKillAfter: "5 seconds" }
      ),
      (child) => ({
        events: child.stdout.pipe(
          Stream.decodeText,
          Stream.splitLines,
          Stream.map((line) => Schema.decodeSync(Event)(line))
        ),
        kill: child.kill({ killSignal: "SIGKILL" })
      })
    ),
  killed: "was killed (SIGKILL)"
})

const entry = fileURLToPath(new URL("process.ts", import.meta.url))
