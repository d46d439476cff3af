/** Three workers of two processes under one lock; one of them can be told to keep it. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { DistributedLock, LeaseStore } from "heddle/coordination"

export type Doing = "rests" | "waits" | "holds" | "keeps"

export interface Lane {
  readonly name: string
  readonly past: ReadonlyArray<Doing>
  readonly token: string
}

export const names = ["ada", "ben", "cleo"]
const shown = 60

/** Runs until the answer is called. `tell` gets the lanes ten times a second. */
export const start = (tell: (lanes: ReadonlyArray<Lane>) => void) => {
  const lanes = names.map((name) => ({ name, past: Array<Doing>(), token: "" }))
  const doing = names.map((): Doing => "rests")
  const kept = new Set<number>()
  const go = Latch.makeUnsafe(true)
  const worker = (index: number) =>
    Effect.gen(function*() {
      yield* Effect.sleep(200 + index * 150)
      doing[index] = "waits"
      yield* DistributedLock.withLock("loom", { order: "cohort" })((lease) =>
        Effect.gen(function*() {
          doing[index] = "holds"
          const lane = lanes[index]
          if (lane !== undefined) lane.token = String(lease.token)
          yield* Effect.sleep(500)
          if (kept.has(index)) {
            doing[index] = "keeps"
            yield* go.await
          }
        })
      ).pipe(Effect.ensuring(Effect.sync(() => doing[index] = "rests")))
    }).pipe(Effect.ignore, Effect.forever)
  const sample = Effect.sync(() => {
    lanes.forEach((lane, index) => lane.past.push(doing[index] ?? "rests"))
    for (const { past } of lanes) if (past.length > shown) past.shift()
    tell(lanes.map(({ name, past, token }) => ({ name, past: [...past], token })))
  }).pipe(Effect.andThen(Effect.sleep(100)), Effect.forever)
  const running = Effect.runFork(
    Effect.all([sample, ...names.map((_, index) => worker(index))], { concurrency: "unbounded" }).pipe(
      Effect.provide(LeaseStore.layerMemory)
    )
  )
  return {
    keep: (index: number) => {
      go.closeUnsafe()
      kept.add(index)
    },
    release: () => {
      kept.clear()
      go.openUnsafe()
    },
    stop: () => Effect.runFork(Fiber.interrupt(running))
  }
}
