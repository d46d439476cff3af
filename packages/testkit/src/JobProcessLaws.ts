/**
 * What worker processes on a store of jobs promise: on real servers, with processes that are killed, blocked and told to end.
 *
 * @since 0.1.0
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { JobStore } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { type Note, Reader } from "./internal/jobLedger.ts"
import * as JobWorkerProcess from "./internal/jobWorkerProcess.ts"
import * as TempFolder from "./internal/TempFolder.ts"
import * as JobRound from "./JobRound.ts"
import { queueOf, type Work } from "./JobWorker.ts"

/**
 * Registers the laws, and two short rounds of `JobRound` with seeds of their own, which are in the titles.
 *
 * @category laws
 * @since 0.1.0
 */
export const jobProcessLaws = (subject: JobRound.Subject): void => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  const round = (title: string, options: Omit<JobRound.Options, "seed">) =>
    it.live(`${title} (seed ${seed})`, () =>
      Effect.map(JobRound.run(subject, { ...options, seed }), (report) => {
        assert.deepStrictEqual(report.violations, [])
        assert.strictEqual(report.completed + report.unheard + report.dead, report.enqueued)
        assert.deepStrictEqual([report.killed, report.restarts], [options.kills, options.restarts])
      }), { timeout: 120_000 })

  describe(`workers of ${subject.name}`, () => {
    round("AC-36.3, AC-E1: of 1,500 jobs none is lost or completed twice when workers are killed", {
      jobs: 1500,
      kills: 2,
      restarts: 0
    })
    round("AC-36.4: the server is killed and started again: workers go on by themselves, and nothing is lost", {
      jobs: 1000,
      workers: 2,
      kills: 0,
      restarts: 1
    })
  })

  describe.concurrent(`a worker of ${subject.name}`, () => {
    const scope = Scope.makeUnsafe()
    afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
    const built = Effect.runPromise(Effect.cached(Scope.provide(subject.start, scope)))
    const law = (title: string, body: (stage: Stage) => Effect.Effect<void, unknown, Needs>) =>
      it.live(title, () =>
        Effect.gen(function*() {
          const { layer, worker: spec } = yield* Effect.flatten(Effect.promise(() => built))
          const ledger = join(yield* TempFolder.make("jobs"), "ledger")
          const reader = yield* Effect.acquireRelease(
            Effect.sync(() => new Reader(ledger)),
            (reader) => Effect.sync(() => reader.close())
          )
          const start: Stage["start"] = (queue, options) =>
            JobWorkerProcess.start(spec, { queue: queue.name, ledger, ttl: 2000, grace: 0, worker: 1, ...options })
          const notes = (what: string) => {
            reader.look()
            return reader.notes.filter((note) => note.what === what)
          }
          const noted = (what: string, count: number) =>
            Effect.repeat(Effect.sync(() => notes(what).length >= count), {
              until: (yes) => yes,
              schedule: Schedule.spaced(10)
            })
          yield* Effect.provide(body({ queue: aQueue(), start, notes, noted }), layer)
        }).pipe(Effect.scoped), { timeout: 120_000 })
    for (const [title, body] of laws) law(title, body)
  })
}

type Needs = Layer.Success<JobRound.World["layer"]> | Scope.Scope

interface Stage {
  /** A queue that nobody else uses. */
  readonly queue: Queue
  readonly start: (
    queue: Queue,
    options: { readonly concurrency: number; readonly grace?: number }
  ) => Effect.Effect<JobWorkerProcess.JobWorkerProcess, never, Scope.Scope>
  /** What the workers have noted so far. */
  readonly notes: (what: string) => ReadonlyArray<Note>
  /** Waits until they have noted it so often. */
  readonly noted: (what: string, count: number) => Effect.Effect<unknown>
}

type Queue = ReturnType<typeof queueOf>

const aQueue = () => queueOf(`law-${randomUUID()}`)

const sleep = (count: number, millis: number): ReadonlyArray<Work> =>
  Array.from({ length: count }, () => ({ _tag: "Sleep", millis }))

/** Claims up to so many jobs, beside the worker. */
const claim = (queue: Queue, max: number) =>
  Effect.flatMap(JobStore.JobStore, (store) => store.claim(queue.name, { max, ttl: "1 minute", waitFor: Infinity }))

const laws: ReadonlyArray<readonly [string, (stage: Stage) => Effect.Effect<void, unknown, Needs>]> = [
  [
    "that blocks its event loop past its lease cannot complete the job, and takes not one more step",
    (stage) =>
      Effect.gen(function*() {
        const { noted, notes, queue, start } = stage
        const store = yield* JobStore.JobStore
        const worker = yield* start(queue, { concurrency: 1 })
        yield* queue.enqueue({ _tag: "Block", millis: 5000 })
        yield* noted("began", 1)
        const [job] = yield* claim(queue, 1)
        if (job === undefined) return assert.fail()
        assert.strictEqual(yield* worker.end, 0)
        assert.deepStrictEqual([notes("Completed"), notes("after")], [[], []])
        assert.deepStrictEqual(notes("began").map(({ attempt }) => attempt), [1])
        assert.strictEqual(job.attempt, 2)
        assert.strictEqual(yield* store.settle(job, { _tag: "Completed" }), "Completed")
      })
  ],
  ["renews its claims, so that long jobs are never given to another", (stage) =>
    Effect.gen(function*() {
      const { noted, notes, queue, start } = stage
      const worker = yield* start(queue, { concurrency: 20 })
      yield* queue.enqueueAll(sleep(20, 5000))
      yield* noted("began", 20)
      const given = yield* Effect.raceFirst(claim(queue, 20), Effect.as(noted("Completed", 20), []))
      assert.deepStrictEqual(given, [])
      assert.strictEqual(yield* worker.end, 0)
      assert.strictEqual(notes("began").length, 20)
      assert.deepStrictEqual(yield* queue.stats, { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
    })],
  [
    "AC-36.7: that is told to end finishes what it can in its time, hands back the rest uncounted, and loses nothing",
    (stage) =>
      Effect.gen(function*() {
        const { noted, notes, queue, start } = stage
        const short = aQueue()
        const [hurried, patient] = yield* Effect.all([
          start(queue, { concurrency: 10 }),
          start(short, { concurrency: 5, grace: 60_000 })
        ], { concurrency: 2 })
        yield* queue.enqueueAll(sleep(15, 3_600_000))
        yield* short.enqueueAll(sleep(10, 1000))
        yield* noted("began", 15)
        assert.deepStrictEqual([yield* hurried.end, yield* patient.end], [0, 0])
        assert.strictEqual(notes("HandedBack").length, 10)
        const begun = notes("began").length - 10
        assert.strictEqual(notes("Completed").length, begun)
        assert.strictEqual((yield* short.stats).waiting, 10 - begun)
        const again = yield* claim(queue, 20)
        assert.deepStrictEqual(again.map(({ attempt }) => attempt), Array.from({ length: 15 }, () => 1))
      })
  ],
  [
    "AC-36.2, AC-36.6: answers who asked for 4 + 6, takes no more than it works on, and leaves the rest to others",
    (stage) =>
      Effect.gen(function*() {
        const { noted, notes, queue, start } = stage
        yield* start(queue, { concurrency: 4 })
        assert.strictEqual(yield* queue.enqueueAndAwait({ _tag: "Sum", a: 4, b: 6 }), 10)
        yield* queue.enqueueAll(sleep(20, 3_600_000))
        yield* noted("began", 5)
        assert.strictEqual((yield* claim(queue, 20)).length, 16)
        assert.strictEqual(notes("began").length, 5)
      })
  ]
]
