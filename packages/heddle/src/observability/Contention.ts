/**
 * Says who waits for what, how long, behind whom, and who waits in a circle.
 *
 * Under the layer each lock, read-write lock, semaphore, keyed mutex, bulkhead, adaptive limiter, worker and thread pool, partitioner and
 * batcher of Heddle tells when somebody begins to wait, goes in and comes out. Times are kept by name and by the function that waits; who waits now is a graph, and a circle in it is a
 * deadlock that has a name.
 *
 * **When to use**
 *
 * When a service is slow and its processor is not: the report tells what it waits for. Around one run, with `measure`, to compare.
 *
 * **Gotchas**
 *
 * All but locks ask when they are made, locks at each wait: build them under the layer. Of a partitioner and a batcher it is `submit` that
 * waits; who only enqueues does not. A
 * thread pool's hold begins when the task is sent to its thread. `FanOut`, `Pipeline` and `Multiplexer` have no callers that wait for each other. Waits of other processes are not
 * seen; what they hold is a wait behind nobody. A circle through a semaphore of many permits, or a pool, may still go on.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentObserver } from "../internal/Contended.ts"
import { monotonic } from "../internal/monotonic.ts"
import { ContentionRecorder } from "./internal/ContentionRecorder.ts"
import { mermaidOf, tableOf } from "./internal/contentionText.ts"
import type { Times } from "./internal/LogHistogram.ts"
import { watchLoop } from "./internal/loopDelay.ts"
import { cyclesOf, type Wait, waitsOf } from "./internal/waitGraph.ts"

export type { Times, Wait }

/**
 * One name, as one function of the program uses it. A wait is counted whatever came of it, a hold when it has ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Resource {
  /** `lock`, `rwlock`, `semaphore`, `keyed mutex`, `bulkhead`, `adaptive limiter`, `worker pool`, `thread pool`, `partitioner` or `batcher`. */
  readonly kind: string
  /** Its name, or its key where it has none; a read-write lock's with `read` or `write`. After 500, `others`. */
  readonly name: string
  /** The innermost `Effect.fn` or span of the program that waits. */
  readonly site: string
  /** Where that was called the first time. */
  readonly place: string | undefined
  readonly wait: Times
  readonly hold: Times
  /** Waits that came to nothing: timeouts, refusals, interruptions. */
  readonly gaveUp: number
  /** Now. */
  readonly waiting: number
  readonly holding: number
}

/**
 * What was waited for, and who waits now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  /** What was waited for longest in all, first. */
  readonly resources: ReadonlyArray<Resource>
  readonly waits: ReadonlyArray<Wait>
  /** Those who wait for each other, each with what they have and want. */
  readonly cycles: ReadonlyArray<ReadonlyArray<string>>
  /** How late timers were. */
  readonly loop: Times
}

/**
 * What is waited for in this process.
 *
 * @category services
 * @since 0.1.0
 */
export class Contention extends Context.Service<Contention, {
  /** From the layer's beginning until now. */
  readonly report: Effect.Effect<Report>
}>()("heddle/Contention") {}

/**
 * Records all waits and holds under it, until its scope closes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Contention> = Layer.effectContext(Effect.gen(function*() {
  const recorder = yield* record
  yield* Effect.forkScoped(watchLoop((late) => recorder.loop.add(late)))
  const report = Effect.sync(() => reportOf(recorder))
  return Context.add(Context.make(Contention, { report }), CurrentObserver, recorder)
}))

/**
 * The report of the layer.
 *
 * @category reports
 * @since 0.1.0
 */
export const report: Effect.Effect<Report, never, Contention> = Effect.flatMap(Contention, ({ report }) => report)

/**
 * Runs an effect and tells what was waited for in it, and nothing from before or beside it.
 *
 * **Interruption**
 *
 * Interrupts the effect; there is no report.
 *
 * **Example** (Two want one lock)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { DistributedLock, LeaseStore } from "heddle/coordination"
 * import { Contention } from "heddle/observability"
 *
 * const pay = DistributedLock.withLock("invoice/42", { name: "invoice" })(Effect.sleep("1 milli"))
 * const both = Effect.all([pay, pay], { concurrency: 2 }).pipe(Effect.provide(LeaseStore.layerMemory))
 *
 * const [, { resources }] = await Effect.runPromise(Contention.measure(both))
 * resources.map(({ hold, name }) => [name, hold.count]) // => [["invoice", 2]]
 * ```
 *
 * @category reports
 * @since 0.1.0
 */
export const measure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [A, Report], E, R> =>
  Effect.scoped(Effect.gen(function*() {
    const recorder = yield* record
    yield* Effect.forkScoped(watchLoop((late) => recorder.loop.add(late)))
    const value = yield* Effect.provideService(effect, CurrentObserver, recorder)
    return [value, reportOf(recorder)] as const
  }))

/**
 * A report as text: a table of times, then who waits, then circles.
 *
 * @category reports
 * @since 0.1.0
 */
export const table: (report: Report) => string = tableOf

/**
 * Who waits for what and who has it, as a flow chart for Mermaid.
 *
 * @category reports
 * @since 0.1.0
 */
export const mermaid: (report: Report) => string = mermaidOf

const record = Effect.map(Clock.Clock, (clock) => new ContentionRecorder(monotonic(clock)))

const reportOf = (recorder: ContentionRecorder): Report => {
  const { loop, open, series } = recorder
  return {
    resources: series.map((one): Resource => ({
      kind: one.kind,
      name: one.name,
      site: one.site,
      place: one.place,
      wait: one.wait.times,
      hold: one.hold.times,
      gaveUp: one.gaveUp,
      waiting: one.waiting,
      holding: one.holding
    })).sort((one, other) => other.wait.total - one.wait.total),
    waits: waitsOf(open, recorder.now()),
    cycles: cyclesOf(open),
    loop: loop.times
  }
}
