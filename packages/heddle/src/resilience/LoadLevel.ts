/**
 * Says how much of the service there is at this moment: `full`, `reduced`, `minimal`, or `emergency`.
 *
 * Sensors are read once a second: cpu, memory, the event loop, errors, or whatever the app measures. The worst of them decides. It
 * gets worse at once and better only after a time of calm, so that it does not swing. Features say which level they need; sizes
 * and times are picked by level. Nothing is switched off and on again by hand, so nothing stays off.
 *
 * **When to use**
 *
 * In a service that has parts it can do without. To bound one dependency use a bulkhead or a circuit breaker.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { monotonic } from "../internal/monotonic.ts"
import { tally } from "../internal/Tally.ts"
import { checked, lasting, positive, share, text, toMillis } from "./internal/check.ts"
import { LevelRule, levels, rising } from "./internal/LevelRule.ts"
import { withoutStack } from "./internal/refusal.ts"
import type { Sensor } from "./Sensor.ts"

/**
 * How much of the service there is, from all of it to what must be.
 *
 * @category models
 * @since 0.1.0
 */
export type Level = "full" | "reduced" | "minimal" | "emergency"

/**
 * What is read, and how fast the level follows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Names the service in the metrics' label `service`: 1 to 200 characters. */
  readonly name: string
  /** What is read. The worst decides. */
  readonly sensors: ReadonlyArray<Sensor>
  /** How often they are read. Default 1 second. */
  readonly interval?: Duration.Input | undefined
  /** How long it must be calm before the level gets better. Default 10 seconds. */
  readonly dwell?: Duration.Input | undefined
  /** How far below a threshold it is calm, as a share of the threshold. Default 0.1. */
  readonly margin?: number | undefined
}

/**
 * The level went from one to another, as a sensor said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly from: Level
  readonly to: Level
  /** The sensor that demands most, and what it read; `undefined` where all are calm. */
  readonly because: { readonly sensor: string; readonly value: number } | undefined
}

/**
 * The level of this process.
 *
 * @category services
 * @since 0.1.0
 */
export class LoadLevel extends Context.Service<LoadLevel, {
  readonly level: Effect.Effect<Level>
  /** Each change from now on, in order. */
  readonly changes: Stream.Stream<Change>
  /** The changes from when this returns until the scope closes: none is missed between it and a look at `level`. */
  readonly subscribe: Effect.Effect<Stream.Stream<Change>, never, Scope.Scope>
}>()("heddle/LoadLevel") {}

/**
 * There is less of the service than the work needs, so it did not run: do without it.
 *
 * @category errors
 * @since 0.1.0
 */
export class Degraded extends Schema.TaggedError<Degraded>()("Degraded", {
  level: Schema.Literals(levels),
  needs: Schema.Literals(levels)
}) {
  override get message(): string {
    return `the service is ${this.level}, and this needs it ${this.needs}: do without`
  }
}

/**
 * Reads the sensors until the layer's scope closes. Begins with `full`. Fails with `InvalidOption` if an option is out of its
 * range.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<LoadLevel, InvalidOption> =>
  Layer.effect(LoadLevel, Effect.suspend(() => make(options)))

/**
 * A level that stays as it is, for tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFixed = (level: Level): Layer.Layer<LoadLevel> =>
  Layer.succeed(LoadLevel, {
    level: Effect.succeed(level),
    changes: Stream.empty,
    subscribe: Effect.succeed(Stream.empty)
  })

/**
 * Runs work only while there is as much of the service as it needs; what needs `emergency` always runs. Else it fails with
 * `Degraded` at once. Work that has begun goes on.
 *
 * **Example** (Recommendations are left out first)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LoadLevel } from "heddle/resilience"
 *
 * const recommendations = LoadLevel.requires("full")(Effect.succeed(["a book"])).pipe(
 *   Effect.catchTag("Degraded", () => Effect.succeed([]))
 * )
 *
 * const page = recommendations.pipe(Effect.provide(LoadLevel.layerFixed("reduced")))
 * await Effect.runPromise(page) // => []
 * ```
 *
 * @category levels
 * @since 0.1.0
 */
export const requires =
  (needs: Level) => <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E | Degraded, R | LoadLevel> =>
    Effect.flatMap(current, (level): Effect.Effect<A, E | Degraded, R> =>
      levels.indexOf(level) <= levels.indexOf(needs)
        ? work
        : Effect.fail(withoutStack(() => new Degraded({ level, needs }))))

/**
 * The value for the level that it is: a size, a time, a number of retries.
 *
 * @category levels
 * @since 0.1.0
 */
export const pick = <A>(byLevel: Readonly<Record<Level, A>>): Effect.Effect<A, never, LoadLevel> =>
  Effect.map(current, (level) => byLevel[level])

/**
 * Runs an effect with the level that it is, and again with each that it becomes, until the scope closes: `pool.resize`, for one. It
 * has run once when `follow` returns. While it runs, levels that come and go are passed over: the last one counts.
 *
 * @category levels
 * @since 0.1.0
 */
export const follow = <E, R>(
  apply: (level: Level) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R | LoadLevel | Scope.Scope> =>
  Effect.flatMap(LoadLevel, ({ level, subscribe }) =>
    Effect.gen(function*() {
      const changes = yield* subscribe
      const first = yield* level
      yield* apply(first)
      let applied = first
      const catchUp = Effect.flatMap(level, (now) => {
        if (now === applied) return Effect.void
        applied = now
        return apply(now)
      })
      const quietly = Effect.catchCause(catchUp, (cause) => Effect.logError("a level could not be applied", cause))
      yield* Effect.forkScoped(Stream.runForEach(changes, () => quietly))
    }))

const current: Effect.Effect<Level, never, LoadLevel> = Effect.flatMap(LoadLevel, ({ level }) => level)

const make = (
  { dwell = "10 seconds", interval = "1 second", margin = 0.1, name, sensors }: Options
): Effect.Effect<LoadLevel["Service"], InvalidOption, Scope.Scope> =>
  Effect.gen(function*() {
    const every = toMillis(interval)
    const calm = toMillis(dwell)
    yield* checked([
      text("name", name),
      positive("interval", every),
      lasting("dwell", calm),
      share("margin", margin),
      ...sensors.map(rising)
    ])
    const context = yield* Effect.context<never>()
    const changed = changesOf(context, name)
    const shown = levelOf(context, name)
    const changes = yield* PubSub.unbounded<Change>()
    const rule = new LevelRule(sensors, margin, calm)
    const now = monotonic(yield* Clock.Clock)
    let last = now()
    const look = Effect.gen(function*() {
      yield* Effect.sleep(every)
      const at = now()
      const elapsed = at - last
      last = at
      const tick = { elapsed, late: Math.max(0, elapsed - every) }
      const values = yield* Effect.forEach(sensors, ({ read }) => read(tick))
      const from = rule.level
      const to = rule.next(values, at)
      if (from === to) return
      changed[to]++
      shown.level = levels.indexOf(to)
      PubSub.publishUnsafe(changes, { from, to, because: rule.because(values) })
    })
    yield* Effect.forkScoped(Effect.forever(look), { startImmediately: true })
    return {
      level: Effect.sync(() => rule.level),
      changes: Stream.fromPubSub(changes),
      subscribe: Effect.map(PubSub.subscribe(changes), Stream.fromSubscription)
    }
  })

const changesOf = tally("heddle_load_level_changes_total", {
  description: "Changes of the level, by the level that it went to",
  type: "counter",
  label: "service",
  by: "to",
  zero: { full: 0, reduced: 0, minimal: 0, emergency: 0 }
})
const levelOf = tally("heddle_load_level", {
  description: "How much of the service there is: 0 full, 1 reduced, 2 minimal, 3 emergency",
  type: "gauge",
  label: "service",
  zero: { level: 0 }
})
