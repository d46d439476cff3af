/**
 * Stops calling what keeps failing, and finds out with a few calls when it has come back.
 *
 * While the circuit is closed, calls run and are counted. When too many fail, or are slow, it opens: for a time calls are
 * refused at once, which spares the one who calls the waiting and the one who is called the load. Then it is half-open: so
 * many calls run as probes, the others are still refused; when the probes succeed it closes, when one fails it opens again.
 *
 * **When to use**
 *
 * Around calls to one dependency that fails for a while when it fails. Put `Effect.timeout` inside of it, so that a call that
 * hangs is a failure; put retries outside, so that each attempt is counted and a refusal ends them. Where every process should
 * know what one has found out, use `shared`.
 *
 * **Gotchas**
 *
 * A call that its caller interrupts counts for nothing, and so does a timeout outside of the breaker, as it interrupts.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { CircuitBreaker as Store } from "effect/persistence"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { type Around, around, breakerFamily, breakerOf } from "./internal/breaker.ts"
import { CircuitOpen } from "./internal/CircuitOpen.ts"
import { CircuitStoreDown } from "./internal/CircuitStoreDown.ts"
import { sharedBreaker } from "./internal/sharedBreaker.ts"

export { CircuitOpen, CircuitStoreDown }

/**
 * What a circuit does with a call: it runs it (`closed`), refuses it (`open`, `isolated`), or runs a few (`half-open`).
 *
 * @category models
 * @since 0.1.0
 */
export type State = "closed" | "open" | "half-open" | "isolated"

/**
 * What the end of a call says about the dependency. `retryAfter`, in milliseconds, is how long it asked to be left alone: a
 * circuit that this failure opens stays open for at least so long, ten minutes at most.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Success" }
  | { readonly _tag: "Failure"; readonly retryAfter?: number | undefined }
  | { readonly _tag: "Ignored" }

/**
 * When a closed circuit opens.
 *
 * @category models
 * @since 0.1.0
 */
export type Trip = Consecutive | Rate

/**
 * So many failures in a row.
 *
 * @category models
 * @since 0.1.0
 */
export interface Consecutive {
  readonly _tag: "Consecutive"
  readonly failures: number
}

/**
 * A share of the calls that fail or are slow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rate extends RateOptions {
  readonly _tag: "Rate"
}

/**
 * What `rate` is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateOptions {
  /** The share of calls that fail at which it trips, above 0 and up to 1. */
  readonly failures: number
  /** Of how many calls: of the last so many, or of those of a time just over, which is forgotten a tenth at a time. */
  readonly of: { readonly calls: number } | { readonly during: Duration.Input }
  /** How many calls there must be before their share says something. */
  readonly minimumCalls: number
  /** Calls that take longer than `than` are slow, whatever comes of them; at this share of slow ones it trips too. */
  readonly slow?: { readonly than: Duration.Input; readonly share: number } | undefined
}

/**
 * Trips when so many calls have failed in a row, in the order in which they ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const consecutive = (failures: number): Trip => ({ _tag: "Consecutive", failures })

/**
 * Trips when a share of the calls fails, or is slow.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rate = (options: RateOptions): Trip => ({ _tag: "Rate", ...options })

/**
 * How a breaker decides. `E` is what its calls fail with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in E = unknown> {
  /** Names the dependency, in errors, changes and as the metrics' label `breaker`: 1 to 200 characters, few different ones. */
  readonly name: string
  /** When it opens. Default: after 5 failures in a row. */
  readonly trip?: Trip | undefined
  /**
   * How long it stays open before it probes: always as long, or as a schedule's delays say, one each time that it opens
   * again. The schedule begins anew after the circuit was closed for as long as it was open last; when it ends, its last delay
   * stays. Default 10 seconds.
   */
  readonly openFor?: Duration.Input | Schedule.Schedule<unknown> | undefined
  /** How many probes must succeed for it to close. Default 3. */
  readonly successes?: number | undefined
  /** How many probes run at once, at most. Default: `successes`. */
  readonly probes?: number | undefined
  /**
   * What the end of a call says. Default: a failure or a defect is a failure, everything else a success. A call that was
   * interrupted is ignored, and is not asked about.
   */
  readonly classify?: ((exit: Exit.Exit<unknown, E>) => Outcome) | undefined
  /** Whether it only counts, tells its changes, and lets every call through. Default `false`. */
  readonly observeOnly?: boolean | undefined
}

/**
 * What the calls of a circuit came to. A call is in one of them: `refused` did not run, the others ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Calls {
  readonly success: number
  readonly failure: number
  readonly ignored: number
  readonly refused: number
}

/**
 * A circuit went from one state to another.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly name: string
  readonly from: State
  readonly to: State
}

/**
 * A circuit and its state.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitBreaker<in E = unknown> {
  readonly name: string
  /**
   * Runs a call, unless the circuit is open.
   *
   * **Interruption**
   *
   * The call is interrupted, which counts for nothing; a probe gives its place back.
   */
  readonly run: <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>) => Effect.Effect<A, E1 | CircuitOpen, R>
  /** What it does with a call now. */
  readonly state: Effect.Effect<State>
  /** What its calls came to since it was made. */
  readonly calls: Effect.Effect<Calls>
  /** Each change of state from now on, in order. */
  readonly changes: Stream.Stream<Change>
  /** Refuses every call until the scope closes; of several that isolate, until the last one's does. Calls that run go on. */
  readonly isolate: Effect.Effect<void, never, Scope.Scope>
  /** Closes the circuit and forgets what it has counted; who isolates it still does. */
  readonly reset: Effect.Effect<void>
}

/**
 * A circuit that holds its state in this process.
 *
 * **Details**
 *
 * A call costs about as much as `Effect.onExit` does. A refusal reads the clock, and makes an error without a stack trace at
 * most once a millisecond. There are no timers: an open time that is over shows with the next call or look at the `state`.
 *
 * Fails with `InvalidOption` if an option is out of its range.
 *
 * **Example** (Two failures, and no third call)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CircuitBreaker } from "heddle/resilience"
 *
 * let calls = 0
 * const charge = Effect.suspend(() => {
 *   calls++
 *   return Effect.fail("the bank is down" as const)
 * })
 *
 * const program = Effect.gen(function*() {
 *   const bank = yield* CircuitBreaker.make({
 *     name: "bank",
 *     trip: CircuitBreaker.consecutive(2)
 *   })
 *   yield* Effect.exit(bank.run(charge))
 *   yield* Effect.exit(bank.run(charge))
 *   return yield* bank.run(charge).pipe(
 *     Effect.catchTag("CircuitOpen", ({ name }) => Effect.succeed(`${name} rests`))
 *   )
 * })
 *
 * await Effect.runPromise(program) // => "bank rests"
 * calls // => 2
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = unknown>(options: Options<E>): Effect.Effect<CircuitBreaker<E>, InvalidOption> =>
  Effect.map(around(options), (shared: Around<E>) => breakerOf(shared, options.name).breaker)

/**
 * Circuits under keys that share their options: one a host, a tenant, a shard.
 *
 * @category models
 * @since 0.1.0
 */
export interface Family<in E = unknown> {
  /** The circuit of a key. Its `name` is the family's, a slash, and the key; its metrics are the family's. */
  readonly get: (key: string) => CircuitBreaker<E>
  /** The changes of all circuits. */
  readonly changes: Stream.Stream<Change>
}

/**
 * Circuits by key, made when they are asked for.
 *
 * **Details**
 *
 * At most `most` are kept (default 10,000): beyond that, the one that was asked for least recently is forgotten, and begins
 * closed when it is asked for again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const family = <E = unknown>(
  options: Options<E> & { readonly most?: number | undefined }
): Effect.Effect<Family<E>, InvalidOption> =>
  Effect.map(around(options, options.most), (shared) => breakerFamily(shared, options.name, options.most))

/**
 * How a circuit that a fleet shares decides.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedOptions<in E = unknown> extends Pick<Options<E>, "name" | "trip" | "openFor" | "classify"> {
  /**
   * What becomes of a call while the store cannot be asked: it runs under a circuit of this process alone with the same options
   * (`local`, the default), runs unguarded (`allow`), or fails with `CircuitStoreDown` (`refuse`).
   */
  readonly storeDown?: "local" | "allow" | "refuse" | undefined
}

/**
 * A circuit that a fleet shares. `Down` is what it fails with while the store cannot be asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedCircuitBreaker<in E = unknown, out Down = never> {
  readonly name: string
  /**
   * Runs a call, unless the circuit is open.
   *
   * **Interruption**
   *
   * The call is interrupted, which counts for nothing; a probe gives its place back. The two steps in the store, before the call
   * and after it, are not interrupted: the store bounds them.
   */
  readonly run: <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>) => Effect.Effect<A, E1 | CircuitOpen | Down, R>
  /** What the store says that it does with a call now. */
  readonly state: Effect.Effect<State, CircuitStoreDown>
  /** Each change of state that this process has made, from now on. */
  readonly changes: Stream.Stream<Change>
}

/**
 * A circuit whose state is in a store, so that what one process has found out holds for all of them. It is Effect's
 * `CircuitBreaker` (`effect/persistence`) on its store, with the options and the refusal of `make`.
 *
 * **Details**
 *
 * All who share it give it the same name and the same options; nothing compares them. `trip` counts calls in it, not times: `rate` with
 * `of: { calls }`. There is one probe at a time, and one that succeeds closes it. Each call waits for two
 * round trips, which calls of one moment share. After the store has failed it is not asked for a second.
 *
 * Fails with `InvalidOption` if an option is out of its range.
 *
 * **Example** (What one has found out, the other knows)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { CircuitBreaker as Store } from "effect/persistence"
 * import { CircuitBreaker } from "heddle/resilience"
 *
 * const options = { name: "bank", trip: CircuitBreaker.consecutive(2) }
 *
 * const program = Effect.gen(function*() {
 *   const here = yield* CircuitBreaker.shared(options)
 *   const there = yield* CircuitBreaker.shared(options)
 *   yield* Effect.exit(here.run(Effect.fail("down")))
 *   yield* Effect.exit(here.run(Effect.fail("down")))
 *   return yield* there.run(Effect.void).pipe(
 *     Effect.catchTag("CircuitOpen", ({ name }) => Effect.succeed(`${name} rests`))
 *   )
 * }).pipe(Effect.scoped, Effect.provide(Store.layerStoreMemory()))
 *
 * await Effect.runPromise(program) // => "bank rests"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export function shared<E = unknown>(
  options: SharedOptions<E> & { readonly storeDown: "refuse" }
): Effect.Effect<SharedCircuitBreaker<E, CircuitStoreDown>, InvalidOption, Store.CircuitBreakerStore | Scope.Scope>
export function shared<E = unknown>(
  options: SharedOptions<E> & { readonly storeDown?: "local" | "allow" | undefined }
): Effect.Effect<SharedCircuitBreaker<E>, InvalidOption, Store.CircuitBreakerStore | Scope.Scope>
export function shared<E = unknown>(
  options: SharedOptions<E>
): Effect.Effect<SharedCircuitBreaker<E, CircuitStoreDown>, InvalidOption, Store.CircuitBreakerStore | Scope.Scope> {
  return sharedBreaker(options)
}
