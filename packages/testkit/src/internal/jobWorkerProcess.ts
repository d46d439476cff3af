import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Order } from "./jobWorkerProtocol.ts"
import type { Spec } from "./WorkerProcess.ts"

/** A child process that runs `JobWorker.main`. */
export interface JobWorkerProcess {
  readonly worker: number
  /** Kills it (SIGKILL) and waits until it is gone. */
  readonly kill: Effect.Effect<void>
  /** Lets it end by itself, and waits for its exit code. */
  readonly end: Effect.Effect<number | null>
}

/** Starts a worker and waits until it works. The scope kills it. */
export const start = (spec: Spec, order: Order): Effect.Effect<JobWorkerProcess, never, Scope.Scope> =>
  Effect.gen(function*() {
    const args = ["--conditions=@heddle/source", fileURLToPath(spec.module), Schema.encodeSync(Order)(order)]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, args, { env: { ...process.env, ...spec.env }, stdio: ["pipe", "pipe", "inherit"] })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    child.stdin.on("error", () => {})
    const ended = once(child, "close").then(([code]: Array<number | null>) => code ?? null)
    const ready = once(child.stdout, "data").then(() => true)
    const working = yield* Effect.promise(() => Promise.race([ready, ended.then(() => false)]))
    if (!working) return yield* Effect.die(new Error(`worker ${order.worker} ended before it worked`))
    return {
      worker: order.worker,
      kill: Effect.andThen(Effect.sync(() => child.kill("SIGKILL")), Effect.promise(() => ended)),
      end: Effect.andThen(Effect.sync(() => child.stdin.end()), Effect.promise(() => ended))
    }
  })
