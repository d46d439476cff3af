import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { JobStore } from "heddle/messaging"
import type { Crew } from "./crew.ts"
import type { Progress } from "./progress.ts"
import { type Entry, queueOf } from "./queue.ts"
import * as Sources from "./sources.ts"
import type { Event } from "./worker.ts"

/** All workers have ended, and there are files left. */
export class NobodyLeft extends Data.TaggedError("NobodyLeft")<{ readonly why: string }> {
  override get message(): string {
    return `no worker is left, and files are: ${this.why}`
  }
}

/** What came of it: an entry for each file, and how often a worker began one. */
export interface Report {
  readonly workers: number
  readonly files: ReadonlyArray<string>
  readonly entries: ReadonlyArray<Entry>
  readonly begun: number
  readonly millis: number
}

interface Options {
  /** Names this run's queue. */
  readonly run: string
  readonly workers: number
  /** Whether the last worker is killed while it works. */
  readonly kill: boolean
  readonly progress: Progress
}

/**
 * Indexes all sources with several workers, who take the files from one queue.
 *
 * Each file is a job whose result is awaited. A worker that dies leaves its files to the others when its claims have run out.
 */
export const indexTogether = <E, R>(crew: Crew<E, R>, { kill, progress, run, workers }: Options) =>
  Effect.gen(function*() {
    const files = yield* Sources.list
    const queue = queueOf(run)
    const store = yield* JobStore.JobStore
    const started = yield* Clock.currentTimeMillis
    let done = 0
    let begun = 0
    let why = "they ended without a word"
    /** The files of which it was heard that they are begun, but for the one that the victim stands still at. */
    const heard = new Set<string>()
    const dead = yield* Deferred.make<void>()
    // A result may be here before the word that its file was begun.
    const told = yield* Deferred.make<void>()

    const employ = (worker: number) =>
      Effect.gen(function*() {
        const isVictim = kill && worker === workers
        // The victim goes first, so that there is something left for it to die at.
        if (kill && !isVictim) yield* Deferred.await(dead)
        const { events, kill: end } = yield* crew.start({ worker, run, ...(isVictim ? { freezeAt: 20 } : {}) })
        const hear = (event: Event) => {
          switch (event._tag) {
            case "Began": {
              begun++
              heard.add(event.path)
              return Effect.andThen(
                event.attempt === 1
                  ? Effect.void
                  : progress.say(`worker ${worker} does ${event.path}, which was begun before`),
                heard.size === files.length ? Deferred.succeed(told, undefined) : Effect.void
              )
            }
            case "Frozen":
              return Effect.gen(function*() {
                // It may stand still at several files.
                if (!(yield* Deferred.succeed(dead, undefined))) return
                heard.delete(event.path)
                yield* progress.say(crew.killed(worker, event.path))
                yield* end
              })
            case "Failed":
              why = event.message
              return Effect.void
          }
        }
        yield* Stream.runForEach(events, hear)
      }).pipe(Effect.scoped, Effect.ensuring(Deferred.succeed(dead, undefined)))

    const index = (path: string) =>
      Effect.tap(
        queue.enqueueAndAwait({ path }, { id: path }),
        () => Effect.suspend(() => progress.done(++done, files.length))
      )
    const all = Effect.forEach(files, index, { concurrency: "unbounded" }).pipe(
      Effect.tap(() => Deferred.await(told))
    )
    const employed = Effect.forEach(Arr.range(1, workers), employ, { concurrency: "unbounded", discard: true })
    const entries = yield* Effect.raceFirst(
      all,
      Effect.flatMap(employed, () => Effect.fail(new NobodyLeft({ why })))
    ).pipe(
      // A run that is interrupted leaves no files to those of the next one.
      Effect.ensuring(Effect.ignore(store.purge(queue.name, "waiting")))
    )
    return { workers, files, entries, begun, millis: (yield* Clock.currentTimeMillis) - started }
  })

/** Whether each file is in the index once, and as it is when one alone reads them all. */
export const isExact = ({ entries, files }: Report) =>
  Effect.map(Effect.forEach(files, Sources.entryOf), (alone) => {
    const found = new Map(entries.map((entry) => [entry.path, JSON.stringify(entry)]))
    return entries.length === files.length && found.size === files.length &&
      alone.every((entry) => found.get(entry.path) === JSON.stringify(entry))
  })
