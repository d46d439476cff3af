import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { LeaseStore } from "heddle/coordination"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { lead } from "./worker.ts"

/** A worker that leads now. */
export interface Leading {
  readonly worker: string
  readonly term: bigint
}

/** Workers that campaign: who leads next, and how one of them dies. */
export interface Crew {
  readonly next: Effect.Effect<Leading>
  readonly kill: (worker: string) => Effect.Effect<void>
}

const names = ["ann", "bob", "cleo"]

/** The workers are fibers; one that dies is interrupted. */
export const fibers: Effect.Effect<Crew, never, Scope.Scope> = Effect.gen(function*() {
  const leading = yield* Queue.unbounded<Leading>()
  const fibers = new Map<string, Fiber.Fiber<unknown, unknown>>()
  const start = Effect.forEach(names, (worker) =>
    Effect.map(
      Effect.forkScoped(lead(worker, (term) => Queue.offer(leading, { worker, term }))),
      (fiber) => fibers.set(worker, fiber)
    ))
  const store = yield* Layer.build(LeaseStore.layerMemory)
  yield* Effect.provideContext(start, store)
  const kill = (worker: string) => {
    const fiber = fibers.get(worker)
    return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
  }
  return { next: Queue.take(leading), kill }
})

/** The workers are processes that find the election at this address; one that dies is killed (SIGKILL). */
export const processes = (leases: string): Effect.Effect<Crew, never, Scope.Scope> =>
  Effect.gen(function*() {
    const leading = yield* Queue.unbounded<Leading>()
    const module = fileURLToPath(new URL("worker.ts", import.meta.url))
    const spawned = names.map((worker) => {
      const child = spawn(process.execPath, ["--conditions=@heddle/source", module, worker], {
        env: { ...process.env, HEDDLE_LEASES: leases },
        stdio: ["ignore", "pipe", "inherit"]
      })
      createInterface({ input: child.stdout }).on("line", (line) => {
        const [, term] = /^leads (\d+)$/.exec(line) ?? []
        if (term !== undefined) Queue.offerUnsafe(leading, { worker, term: BigInt(term) })
      })
      return { worker, child }
    })
    const stop = (signal: "SIGKILL" | "SIGTERM", worker?: string) =>
      Effect.forEach(spawned.filter((one) => worker === undefined || one.worker === worker), ({ child }) =>
        Effect.callback<void>((resume) => {
          if (child.exitCode !== null || child.signalCode !== null) {
            return resume(Effect.void)
          }
          child.once("exit", () =>
            resume(Effect.void))
          child.kill(signal)
        }), { concurrency: "unbounded", discard: true })
    yield* Effect.addFinalizer(() =>
      stop("SIGTERM")
    )
    return { next: Queue.take(leading), kill: (worker) => stop("SIGKILL", worker) }
  })
