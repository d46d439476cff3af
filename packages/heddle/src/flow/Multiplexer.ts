/**
 * Merges named sources into one stream, and decides which of those that have something goes next.
 *
 * Each source has a buffer of its own, filled by a fiber of its own. Whoever consumes the stream gets the next element by the
 * order that was chosen: highest priority, by weight, or by priority with waiting made up for. What a source does when its buffer
 * is full is chosen per source, and what is dropped is counted.
 *
 * **When to use**
 *
 * To serve what matters first where consumers cannot keep up, without starving or silently losing the rest. Where all sources are
 * alike, Effect's `Stream.merge` or `Stream.mergeAll` is enough, and faster: it moves whole chunks.
 *
 * **Gotchas**
 *
 * Elements come one by one, so that none that is more urgent is behind a chunk. Whatever buffers the stream after it takes that
 * away again.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Iterable from "effect/Iterable"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { Lane, type LaneOptions, metrics, type WhenFull as LaneWhenFull } from "./internal/multiplexerLane.ts"
import * as orders from "./internal/multiplexerOrder.ts"
import { Multiplexing } from "./internal/multiplexing.ts"
import { checkCount, checkMillis } from "./internal/options.ts"

/**
 * What a source does when its buffer is full: it waits for room; the oldest element or the newest is dropped and counted; or it
 * waits for so long and then drops the element that waited.
 *
 * @category models
 * @since 0.1.0
 */
export type WhenFull = "wait" | "dropOldest" | "dropNewest" | { readonly waitAtMost: Duration.Input }

/**
 * One of the streams that are merged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source<A, E, R> {
  readonly stream: Stream.Stream<A, E, R>
  /** With `order` `"strict"` or aging: higher goes first. Any number but NaN and the infinities. Default 0. */
  readonly priority?: number | undefined
  /** With `order: "weighted"`: its share among those that have something. More than 0. Default 1. */
  readonly weight?: number | undefined
  /** How many elements wait before it is full, 1 or more, or `Infinity`. Default 16. */
  readonly buffer?: number | undefined
  /** Default `"wait"`. */
  readonly whenFull?: WhenFull | undefined
  /** Whether its end stops the other sources. Default `"continue"`: the merged stream ends when all have ended. */
  readonly onEnd?: "continue" | "stop" | undefined
  /**
   * What its failure does. `"stop"` stops the other sources; what was taken from them is delivered, then the merged stream fails.
   * `"continue"` lets them go on; the merged stream fails when all are over. `"leaveOut"` logs it as a warning and lets them go on;
   * a defect is not left out but shown at the end. Default `"stop"`.
   */
  readonly onError?: "stop" | "continue" | "leaveOut" | undefined
}

/**
 * Sources by their names.
 *
 * @category models
 * @since 0.1.0
 */
export type Sources = Readonly<Record<string, Source<unknown, unknown, unknown>>>

/**
 * Which source goes next of those that have something.
 *
 * **Details**
 *
 * `"strict"`: the highest priority; of one priority, what came first. It starves the lower ones for as long as the higher ones have
 * something. `{ aging }`: each `aging` that an element has waited counts as much as one priority, so that it is overtaken only by
 * what comes within the difference of priorities times `aging` after it. `"weighted"`: each source its share by weight.
 *
 * @category models
 * @since 0.1.0
 */
export type Order = "strict" | "weighted" | { readonly aging: Duration.Input }

/**
 * What is merged, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<S extends Sources> {
  readonly sources: S
  /** Default `"strict"`. */
  readonly order?: Order | undefined
  /** A name for its metrics (label `name`); there should be few of them. How long elements wait is kept only with a name. */
  readonly name?: string | undefined
}

/**
 * An element, and the name of its source.
 *
 * @category models
 * @since 0.1.0
 */
export type Element<S extends Sources> = {
  readonly [K in keyof S & string]: { readonly source: K; readonly value: Stream.Success<S[K]["stream"]> }
}[keyof S & string]

/**
 * What the merged stream fails with: all that its sources do, but for those that are left out when they fail.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure<S extends Sources> = {
  readonly [K in keyof S & string]: S[K] extends { readonly onError: "leaveOut" } ? never : Stream.Error<S[K]["stream"]>
}[keyof S & string]

/**
 * What the sources need.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs<S extends Sources> = Stream.Services<S[keyof S & string]["stream"]>

/**
 * What came of a source: `offered` = `delivered` + `dropped` + `waiting`, at any time.
 *
 * @category models
 * @since 0.1.0
 */
export interface SourceStats {
  /** Elements taken from it. */
  readonly offered: number
  readonly delivered: number
  readonly dropped: number
  readonly waiting: number
  /** `"stopped"`: by another source's end or failure, or because the multiplexer's scope was closed. */
  readonly state: "running" | "ended" | "failed" | "stopped"
}

/**
 * Sources that are being merged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Multiplexer<S extends Sources> {
  /**
   * What the sources give, in the order that was chosen. Whoever runs it takes part: two consumers share the elements.
   *
   * **Interruption**
   *
   * What waits goes on waiting for the next consumer. As with every stream, an element that was handed over is its consumer's.
   */
  readonly stream: Stream.Stream<Element<S>, Failure<S>>
  /** What came of each source so far. */
  readonly stats: Effect.Effect<{ readonly [K in keyof S & string]: SourceStats }>
}

/**
 * Starts to take from the sources, each by a fiber of its own, until the scope is closed.
 *
 * **Interruption**
 *
 * Closing the scope interrupts the sources. Who still consumes gets what was taken, and is then interrupted, if a source had more.
 *
 * **Example** (What is urgent goes first)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Multiplexer } from "heddle/flow"
 *
 * const program = Effect.gen(function*() {
 *   const { stats, stream } = yield* Multiplexer.make({
 *     sources: {
 *       metrics: { stream: Stream.make(1, 2, 3), buffer: 2, whenFull: "dropOldest" },
 *       alerts: { stream: Stream.make("fire"), priority: 10 }
 *     }
 *   })
 *   yield* Effect.sleep("1 milli")
 *   const seen = yield* Stream.runCollect(stream)
 *   return [seen.map(({ value }) => value), (yield* stats).metrics.dropped]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [["fire", 2, 3], 1]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const S extends Sources>(
  options: Options<S>
): Effect.Effect<Multiplexer<S>, InvalidOption, Needs<S> | Scope.Scope> =>
  // What runs has forgotten which name has which type. They are the same entries.
  start(options) as Effect.Effect<Multiplexer<S>, InvalidOption, Needs<S> | Scope.Scope>

/**
 * The merged stream alone, for whom nothing of `stats` is of interest. The sources run while it is consumed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stream = <const S extends Sources>(
  options: Options<S>
): Stream.Stream<Element<S>, Failure<S> | InvalidOption, Needs<S>> =>
  Stream.unwrap(Effect.map(make(options), (made) => made.stream))

interface Named {
  readonly source: string
  readonly value: unknown
}

const start = Effect.fnUntraced(function*({ name, order = "strict", sources }: Options<Sources>) {
  const chosen = orderOf(order)
  if (chosen instanceof InvalidOption) return yield* chosen
  const lanes = new Map<string, Lane<Named>>()
  const context = yield* Effect.context<never>()
  for (const [source, options] of Object.entries(sources)) {
    const lane = laneOptions(`sources.${source}`, options, order === "weighted")
    if (lane instanceof InvalidOption) return yield* lane
    lanes.set(source, new Lane(lane, metrics.of(context, { name, source })))
  }
  const scope = yield* Effect.scope
  const fibers: Array<Fiber.Fiber<void, unknown>> = []
  const merging = new Multiplexing<Named, unknown>(chosen, [...lanes.values()], () => {
    for (const fiber of fibers) fiber.interruptUnsafe()
  })
  for (const [source, lane] of lanes) {
    const pump = Effect.suspend(() =>
      lane.state === "running"
        ? Stream.runForEachArray(sources[source]?.stream ?? Stream.empty, (values) =>
          merging.pour(lane, Iterable.map(values, (value) => ({ source, value }))))
        : Effect.void
    )
    const fiber = yield* pump.pipe(
      Effect.tapCause((cause) =>
        lane.leavesOut(cause) && !Cause.hasInterruptsOnly(cause)
          ? Effect.logWarning(`The source "${source}" of a multiplexer failed and is left out`, cause)
          : Effect.void
      ),
      Effect.forkIn(scope)
    )
    // An observer is told also of a fiber that was interrupted before its first step.
    fiber.addObserver((exit) => merging.ended(lane, exit))
    fibers.push(fiber)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => merging.forget()))
  return {
    stream: Stream.fromPull(Effect.succeed(merging.pull)),
    stats: Effect.sync(() => Object.fromEntries([...lanes].map(([name, lane]) => [name, statsOf(lane)])))
  }
})

const statsOf = ({ delivered, dropped, line, offered, state }: Lane<unknown>): SourceStats => ({
  offered,
  delivered,
  dropped,
  waiting: line.size,
  state
})

const orderOf = (order: Order): orders.Order | InvalidOption => {
  if (order === "strict") return orders.strict
  if (order === "weighted") return orders.weighted()
  const millis = checkMillis("order.aging", order.aging)
  if (millis instanceof InvalidOption) return millis
  return millis > 0 && millis < Infinity
    ? orders.aging(millis)
    : new InvalidOption({
      option: "order.aging",
      message: "order.aging must be a duration of more than 0, not Infinity"
    })
}

const laneOptions = (
  where: string,
  { buffer = 16, onEnd = "continue", onError = "stop", priority = 0, weight = 1, whenFull }: Sources[string],
  weighted: boolean
): LaneOptions | InvalidOption => {
  const [field, rank] = weighted ? ["weight", weight] as const : ["priority", priority] as const
  const wrong = checkCount(`${where}.buffer`, buffer) ?? checkRank(`${where}.${field}`, rank, weighted)
  if (wrong !== undefined) return wrong
  const full = whenFullOf(`${where}.whenFull.waitAtMost`, whenFull)
  return full instanceof InvalidOption ? full : { rank, capacity: buffer, whenFull: full, onEnd, onError }
}

const checkRank = (option: string, rank: number, weighted: boolean): InvalidOption | undefined =>
  Number.isFinite(rank) && (rank > 0 || !weighted)
    ? undefined
    : new InvalidOption({ option, message: `${option} must be a finite number${weighted ? " of more than 0" : ""}` })

const whenFullOf = (option: string, whenFull: WhenFull = "wait"): LaneWhenFull | InvalidOption => {
  if (typeof whenFull === "string") return whenFull
  const millis = checkMillis(option, whenFull.waitAtMost)
  return millis === Infinity ? "wait" : millis
}
