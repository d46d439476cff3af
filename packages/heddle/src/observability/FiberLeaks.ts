/**
 * Says which fibers live, since when, who started them and where, and tells when they only become more.
 *
 * A fiber that nobody joins and nobody interrupts is silent: it holds what it has, and the process grows. Under the layer every fiber
 * is known from its first step to its end. Those that have lived for a while are counted again and again; growth that goes on is a leak
 * and is told with samples, and a burst that ends is none.
 *
 * **When to use**
 *
 * In a service that runs for long, with `dump` on a signal; around one effect, with `check`, in a test (`leakFree` of the testkit also
 * looks for timers and open handles).
 *
 * **Gotchas**
 *
 * Fibers are seen from their first step under the layer: those that began outside of it are seen when they go on in it, and those that
 * were started and have not run yet are not seen. A name comes from `Effect.fn` and `Effect.withSpan`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { monotonic } from "../internal/monotonic.ts"
import { checked, positive, toMillis, whole } from "../resilience/internal/check.ts"
import { type FiberInfo, infoOf } from "./internal/FiberInfo.ts"
import { fiberTree, groupsOf, type NameCount } from "./internal/fiberTree.ts"
import { FiberWatch } from "./internal/FiberWatch.ts"
import { Growth } from "./internal/growth.ts"

export type { FiberInfo, NameCount }

/**
 * When fibers count, and when their growth is told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How often they are counted. Default 10 seconds. */
  readonly interval?: Duration.Input | undefined
  /** Those count that have lived for so long: requests come and go. Default: `interval`. */
  readonly olderThan?: Duration.Input | undefined
  /** For how many looks in a row they must only become more, 2 or more. Default 6. */
  readonly looks?: number | undefined
  /** How many more there must be over all of those looks. Default 5. */
  readonly atLeast?: number | undefined
}

/**
 * Fibers have only become more, look after look.
 *
 * @category models
 * @since 0.1.0
 */
export interface Alarm {
  /** How many fibers there were that had lived for a while, look by look. */
  readonly counts: ReadonlyArray<number>
  /** Those that came since the first of those looks, by name, the most first. */
  readonly grown: ReadonlyArray<NameCount>
  /** The youngest of them, ten at most. */
  readonly samples: ReadonlyArray<FiberInfo>
}

/**
 * The living fibers of this process.
 *
 * @category services
 * @since 0.1.0
 */
export class FiberLeaks extends Context.Service<FiberLeaks, {
  /** Those that live now, the oldest first. */
  readonly fibers: Effect.Effect<ReadonlyArray<FiberInfo>>
  /** Each alarm from now on. It is logged as a warning too. */
  readonly alarms: Stream.Stream<Alarm>
}>()("heddle/FiberLeaks") {}

/**
 * Fibers that an effect started live on after its end.
 *
 * @category errors
 * @since 0.1.0
 */
export class FibersLeft extends Schema.TaggedError<FibersLeft>()("FibersLeft", {
  /** Each with its name and where it was started. */
  fibers: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return [`${this.fibers.length} left running:`, ...this.fibers].join("\n")
  }
}

/**
 * Watches all fibers under it, and counts them until its scope closes. Fails with `InvalidOption` if an option is out of its range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<FiberLeaks, InvalidOption> =>
  Layer.effectContext(Effect.suspend(() => make(options)))

/**
 * The living fibers as text, as a tree: name, id, age, and what each waits for.
 *
 * **Example** (On a signal)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FiberLeaks } from "heddle/observability"
 *
 * const poll = Effect.fn("poll")(function*() {
 *   yield* Effect.forkDetach(Effect.never, { startImmediately: true })
 * })
 * const program = Effect.gen(function*() {
 *   yield* poll()
 *   return yield* FiberLeaks.dump
 * })
 *
 * const text = await Effect.runPromise(Effect.provide(program, FiberLeaks.layer()))
 * text.includes("poll") // => true
 * ```
 *
 * @category reports
 * @since 0.1.0
 */
export const dump: Effect.Effect<string, never, FiberLeaks> = Effect.flatMap(
  FiberLeaks,
  ({ fibers }) => Effect.map(fibers, fiberTree)
)

/**
 * Runs an effect, and fails with `FibersLeft` if it succeeds and fibers that it started live on. Those that were interrupted have a few
 * turns to end.
 *
 * **Interruption**
 *
 * Interrupts the effect; nothing is checked.
 *
 * **Example** (One is left)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FiberLeaks } from "heddle/observability"
 *
 * const forgetful = Effect.asVoid(Effect.forkDetach(Effect.never))
 * const told = FiberLeaks.check(forgetful).pipe(
 *   Effect.catchTag("FibersLeft", ({ fibers }) => Effect.succeed(fibers.length))
 * )
 *
 * await Effect.runPromise(told) // => 1
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const check = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | FibersLeft, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const now = monotonic(Context.get(context, Clock.Clock))
    const watch = new FiberWatch(Context.get(context, Scheduler.Scheduler), now)
    const settle = (turn: number): Effect.Effect<void> =>
      Effect.suspend(() =>
        turn >= turns || (turn >= first && watch.living.length === 0)
          ? Effect.void
          : Effect.andThen(Effect.yieldNow, settle(turn + 1))
      )
    const look = (value: A) =>
      Effect.suspend(() => {
        const left = watch.living.flatMap((watched) => infoOf(watched, now()) ?? [])
        return left.length === 0 ? Effect.succeed(value) : Effect.fail(new FibersLeft({ fibers: left.map(line) }))
      })
    // In a fiber of its own, whose end is that of its children.
    const running = Effect.forkChild(watch.over(effect), { startImmediately: true, uninterruptible: "inherit" })
    return Effect.flatMap(Effect.flatMap(running, Fiber.join), (value) => Effect.andThen(settle(0), look(value)))
  })

/** So many turns has what was interrupted to end. */
const turns = 16
/** So many of them in any case: what was forked takes its first step. */
const first = 2

const line = ({ id, name, parent, path }: FiberInfo): string =>
  [`${name}#${id}`, ...(parent === undefined ? [] : [`started by #${parent}`]), ...path.map((at) => `in ${at}`)].join(
    " "
  )

const make = Effect.fnUntraced(function*(options: Options) {
  const { atLeast = 5, looks = 6 } = options
  const interval = toMillis(options.interval ?? "10 seconds")
  const olderThan = options.olderThan === undefined ? interval : toMillis(options.olderThan)
  yield* checked([
    positive("interval", interval),
    positive("olderThan", olderThan),
    whole("looks", looks, 2),
    whole("atLeast", atLeast, 1)
  ])
  const context = yield* Effect.context<never>()
  const now = monotonic(Context.get(context, Clock.Clock))
  const watch = new FiberWatch(Context.get(context, Scheduler.Scheduler), now)
  const alarms = yield* Effect.acquireRelease(PubSub.sliding<Alarm>(64), PubSub.shutdown)
  const fibers = Effect.sync(() => watch.living.flatMap((watched) => infoOf(watched, now()) ?? []))
  const growth = new Growth({ looks, atLeast })
  /** The ids that each of the last looks saw. */
  let seen: Array<ReadonlySet<number>> = []
  const look = Effect.suspend(() => {
    const at = now()
    const old = watch.living.filter(({ began }) => at - began >= olderThan)
    const counts = growth.look(old.length)
    const first = seen[0]
    seen = [...seen.slice(-looks + 1), new Set(old.map(({ id }) => id))]
    if (counts === undefined) return Effect.void
    const came = old.filter(({ id }) => first?.has(id) !== true).flatMap((watched) => infoOf(watched, at) ?? [])
    const alarm = { counts, grown: groupsOf(came), samples: came.slice(-10) }
    PubSub.publishUnsafe(alarms, alarm)
    return Effect.logWarning(
      `fibers only become more: ${counts.join(", ")}; ${
        alarm.grown.slice(0, 5).map(({ count, name }) => `${count} ${name}`).join(", ")
      }`
    )
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), look)))
  return Context.make(FiberLeaks, { fibers, alarms: Stream.fromPubSub(alarms) }).pipe(
    Context.add(Scheduler.Scheduler, watch),
    Context.add(Metric.FiberRuntimeMetrics, watch.starts(Context.get(context, Metric.FiberRuntimeMetrics)))
  )
})
