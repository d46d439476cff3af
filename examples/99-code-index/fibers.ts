import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import { Shutdown, type ShutdownReport, Signals } from "heddle/lifecycle"
import type { Crew } from "./crew.ts"
import type { Stores } from "./stack.ts"
import { work } from "./worker.ts"

/** Workers that are fibers of this process. Each has signals and a shutdown of its own, as a process has. */
export const fibers: Crew<Stores | FileSystem.FileSystem> = {
  start: (run, worker) =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const killed = yield* Deferred.make<never, Error>()
      let report: ShutdownReport.ShutdownReport | undefined
      let hear = (_signal: Signals.Signal) => {}
      const listen: Signals.Listen = (heard) => {
        hear = heard
        return () => {}
      }
      const onReport = (told: ShutdownReport.ShutdownReport) => Effect.sync(() => void (report = told))
      const stand = { asked: Deferred.isDone(asked), still: Deferred.await(killed) }
      const fiber = yield* Effect.raceFirst(work(run, worker, stand), Deferred.await(killed)).pipe(
        Shutdown.run,
        Effect.provide(Shutdown.layer({ onReport })),
        Effect.provideService(Signals.Signals, listen),
        Effect.forkScoped
      )
      const ended = Fiber.await(fiber)
      return {
        ended,
        begin: Effect.void,
        standStill: Deferred.succeed(asked, undefined),
        kill: Effect.andThen(Deferred.fail(killed, new Error(`worker ${worker} was ended`)), ended),
        stop: Effect.suspend(() => {
          hear("SIGTERM")
          return Effect.map(ended, () => report?.clean === true)
        })
      }
    }),
  killed: "ended while it held the lock",
  freed: "it gave the lock back"
}
