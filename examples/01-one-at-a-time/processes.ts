import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import type { Crew } from "./crew.ts"
import { Event, Job } from "./job.ts"

/** Workers that are processes of their own: they share nothing but the backend and the index file. */
export const processes = (backend: string, url: string): Crew<PlatformError.PlatformError, ChildProcessSpawner> => ({
  start: (jobs) =>
    Effect.map(
      ChildProcess.make(process.execPath, ["--conditions=@heddle/source", entry, backend, url], {
        stdin: jobs.pipe(Stream.map((job) => `${Schema.encodeSync(Job)(job)}\n`), Stream.encodeText),
        stderr: "inherit",
        forceKillAfter: "5 seconds"
      }),
      (child) => ({
        events: child.stdout.pipe(
          Stream.decodeText,
          Stream.splitLines,
          Stream.map((line) => Schema.decodeSync(Event)(line))
        ),
        kill: child.kill({ killSignal: "SIGKILL" })
      })
    ),
  killed: (worker) => `worker ${worker} was killed while it held the lock`,
  freed: (worker) => `the lease of worker ${worker} ran out`
})

const entry = fileURLToPath(new URL("process.ts", import.meta.url))
