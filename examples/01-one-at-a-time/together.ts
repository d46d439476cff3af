import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Crew } from "./crew.ts"
import * as IndexFile from "./indexFile.ts"
import type { Event, Freeze, Job } from "./job.ts"
import type { Progress } from "./progress.ts"
import * as Sources from "./sources.ts"
import * as Tally from "./tally.ts"

/** What was done, and the index that came of it. */
export interface Report {
  readonly workers: number
  readonly files: ReadonlyArray<string>
  readonly chunks: number
  /** The chunks in the order of their merges. */
  readonly merged: ReadonlyArray<number>
  readonly names: Tally.Tally
  readonly millis: number
}

/** Every worker ended before the index was complete. */
export class NobodyLeft extends Schema.TaggedError<NobodyLeft>()("NobodyLeft", { why: Schema.String }) {
  override get message(): string {
    return `no worker is left: ${this.why}`
  }
}

const filesPerChunk = 16

interface Options {
  /** The path of the index, in a folder that exists. */
  readonly index: string
  readonly workers: number
  /** Kills the last worker at this moment, in its first job. */
  readonly kill?: Freeze | undefined
  readonly progress: Progress
}

/**
 * Tallies all sources with several workers, who merge into one index under one lock.
 *
 * A chunk is handed out again if its worker ends before it has told that the chunk is merged. It may be in the index then;
 * the next worker sees so and leaves it.
 */
export const tallyTogether = <E, R>(crew: Crew<E, R>, { index, workers, kill, progress }: Options) =>
  Effect.gen(function*() {
    yield* IndexFile.create(index)
    const files = yield* Sources.list
    const chunks = Arr.chunksOf(files, filesPerChunk).map((files, chunk) => ({ chunk, files }))
    const waiting = yield* Queue.unbounded<typeof chunks[number], Cause.Done>()
    yield* Queue.offerAll(waiting, chunks)

    const started = yield* Clock.currentTimeMillis
    let merged = 0
    let why = "they ended without a word"
    let killed: { readonly worker: number; readonly token: bigint; readonly at: number } | undefined

    const employ = (worker: number) =>
      Effect.gen(function*() {
        const jobs = yield* Queue.unbounded<Job, Cause.Done>()
        let inHand: typeof chunks[number] | undefined
        let freeze = worker === workers ? kill : undefined
        const { events, kill: end } = yield* crew.start(Stream.fromQueue(jobs))

        const handOut = Queue.take(waiting).pipe(
          Effect.flatMap((chunk) => {
            inHand = chunk
            return Queue.offer(jobs, { ...chunk, worker, index, ...(freeze === undefined ? {} : { freeze }) })
          }),
          Effect.catchIf(Cause.isDone, () => Queue.end(jobs))
        )

        const hear = (event: Event) =>
          Effect.gen(function*() {
            const now = yield* Clock.currentTimeMillis
            switch (event._tag) {
              case "Holding": {
                if (killed === undefined || event.token < killed.token) return
                const seconds = ((now - killed.at) / 1000).toFixed(1)
                yield* progress.say(`${crew.freed(killed.worker)} after ${seconds} s; worker ${worker} went on`)
                killed = undefined
                return
              }
              case "Frozen": {
                freeze = undefined
                killed = { worker, token: event.token, at: now }
                yield* progress.say(crew.killed(worker))
                return yield* end
              }
              case "Merged": {
                inHand = undefined
                yield* progress.merged(++merged, chunks.length, worker)
                if (merged === chunks.length) yield* Queue.end(waiting)
                return yield* handOut
              }
              case "Failed": {
                why = event.message
                return yield* end
              }
            }
          })

        yield* handOut
        yield* Stream.runForEach(events, hear)
        if (inHand === undefined) return
        yield* Queue.offer(waiting, inHand)
        yield* progress.say(`worker ${worker} ended; chunk ${inHand.chunk + 1} goes back to the others`)
      }).pipe(Effect.scoped)

    yield* Effect.forEach(Arr.range(1, workers), employ, { concurrency: "unbounded", discard: true })
    if (merged < chunks.length) return yield* new NobodyLeft({ why })
    const millis = (yield* Clock.currentTimeMillis) - started
    const { names, merged: order } = yield* IndexFile.read(index)
    return { workers, files, chunks: chunks.length, merged: order, names: new Map(Object.entries(names)), millis }
  })

/** Whether each chunk was merged once, and the index equals a tally made alone, one file after the other. */
export const isExact = ({ files, chunks, merged, names }: Report) =>
  Effect.map(
    Sources.tally(files),
    (alone) => merged.length === chunks && new Set(merged).size === chunks && Tally.equals(alone, names)
  )
