import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Shutdown } from "heddle/lifecycle"
import * as Catalogue from "./catalogue.ts"
import { lead } from "./leader.ts"
import * as Merger from "./merger.ts"
import * as Parse from "./parse.ts"
import { newsOf, queueOf, type Run, type Tell } from "./run.ts"

/** Whether a worker is to stand still the next time it holds the lock, and what it does then. */
export interface Stand {
  readonly asked: Effect.Effect<boolean>
  readonly still: Effect.Effect<never, Error>
}

/**
 * One worker, until it is shut down: does jobs, and campaigns meanwhile. Knows neither the backends nor whether it is a fiber or a
 * process.
 *
 * Its end, in order: it takes no more jobs and finishes those that it has, merges what it has found, and gives up its leadership.
 */
export const work = (run: Run, worker: number, stand: Stand) =>
  Effect.gen(function*() {
    const news = newsOf(run)
    const tell: Tell = (one) => Effect.ignore(news.publish(one))
    const failed = (error: { readonly message: string }) => tell({ _tag: "Failed", worker, message: error.message })

    const { changes, kindsOf } = yield* Catalogue.make
    yield* Effect.forkScoped(Stream.runForEach(changes, ({ to }) => tell({ _tag: "Circuit", worker, state: to })))
    const parse = Parse.make(kindsOf)

    const holding = (token: bigint) =>
      Effect.flatMap(stand.asked, (asked) =>
        asked ? Effect.andThen(tell({ _tag: "StandsStill", worker, token }), stand.still) : Effect.void)
    const merger = yield* Merger.make({ run, worker, tell, holding })
    yield* Shutdown.step({ name: "merges", phase: "drain" })(merger.shutdown("5 seconds"))

    const jobs = yield* Scope.fork(yield* Effect.scope)
    const index = ({ files, number }: { readonly number: number; readonly files: ReadonlyArray<string> }) =>
      tell({ _tag: "Parses", worker, chunk: number }).pipe(
        Effect.andThen(parse(files)),
        Effect.flatMap((entry) =>
          merger.submit({ chunk: number, entry })
        ),
        Effect.tapError(failed),
        Effect.mapError(({ message }) => message)
      )
    const options = { concurrency: 10, ttl: "3 seconds", retry: Schedule.spaced("200 millis") } as const
    yield* Scope.provide(queueOf(run).process(index, options), jobs)
    yield* Shutdown.step({ name: "jobs", phase: "stop" })(Scope.close(jobs, Exit.void))

    const leads = yield* Effect.forkScoped(Effect.tapError(lead(run, worker, tell), failed))
    yield* Shutdown.step({ name: "leadership", phase: "release" })(Fiber.interrupt(leads))
    return yield* Effect.never
  }).pipe(Effect.scoped)
