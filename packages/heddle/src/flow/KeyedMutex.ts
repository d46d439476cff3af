/**
 * Lets one effect of this process at a time work on a key.
 *
 * **When to use**
 *
 * To read, change and write one user, file or account while others do the same with other keys. For one lock without keys, or for more
 * than one permit, Effect's `Semaphore` is enough. Between processes it is `DistributedLock`. Where the work comes as items and not as
 * effects that somebody waits for, it is `Partitioner`.
 *
 * **Details**
 *
 * In order of arrival for each key. The lock is passed on to the first who waits: nobody who comes later can slip in between. A key that
 * nobody has takes no memory. To come, to go and to leave the line take the same time behind ten waiters as behind ten thousand.
 *
 * **Gotchas**
 *
 * It is not reentrant: an effect that asks for the key that it has waits for itself. Keys are compared as a `Map` does: take strings or
 * numbers, not records. Two effects that each take two keys, in different order, can wait for each other.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CurrentObserver, observed } from "../internal/Contended.ts"
import { KeyedLines, Turn } from "./internal/keyedLines.ts"

/**
 * How a mutex is told from others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** A name for its metrics (label `name`); there should be few of them. Latency is kept with a name only. Default: no label. */
  readonly name?: string | undefined
}

/**
 * What a mutex holds at a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Keys that are locked. */
  readonly held: number
  /** Effects that wait, for all keys. */
  readonly waiting: number
}

/**
 * A lock for each key.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyedMutex<in K> {
  /**
   * Waits for the key, runs the effect while nobody else has it, and passes it on when the effect has ended, with its finalizers, whether
   * it succeeded, failed, died or was interrupted.
   *
   * **Interruption**
   *
   * Who waits leaves the line. A lock that it was given at that moment is passed on. The effect itself is interrupted as it is without a
   * lock.
   */
  readonly withLock: (key: K) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs the effect if nobody has the key, without waiting, and else answers with none. */
  readonly tryWithLock: (
    key: K
  ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Option.Option<A>, E, R>
  /** What it holds now. */
  readonly stats: Effect.Effect<Stats>
}

/**
 * A mutex with no key locked.
 *
 * **Example** (No deposit is lost)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { KeyedMutex } from "heddle/flow"
 *
 * const balances = new Map([["ada", 0]])
 * const program = Effect.gen(function*() {
 *   const accounts = yield* KeyedMutex.make<string>()
 *   const deposit = Effect.gen(function*() {
 *     const balance = balances.get("ada") ?? 0
 *     yield* Effect.yieldNow
 *     balances.set("ada", balance + 1)
 *   }).pipe(accounts.withLock("ada"))
 *   yield* Effect.replicateEffect(deposit, 100, { concurrency: "unbounded", discard: true })
 *   return balances.get("ada")
 * })
 *
 * await Effect.runPromise(program) // => 100
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <K>({ name }: Options = {}): Effect.Effect<KeyedMutex<K>> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const lines = new KeyedLines<K>(context, name)
    // What passes a key on is there before the key is, so no interruption comes between.
    const passing = <A, E, R, A2, E2, R2>(turn: Turn<K, A, E, R>, run: Effect.Effect<A2, E2, R2>) =>
      Effect.onExitPrimitive(run, () => {
        turn.leave()
        return undefined
      })
    const plain: KeyedMutex<K> = {
      withLock: (key) => (effect) =>
        Effect.suspend(() => {
          const turn = new Turn(lines, key, effect)
          return passing(turn, turn)
        }),
      tryWithLock: (key) => (effect) =>
        Effect.suspend(() => {
          const turn = new Turn(lines, key, Effect.map(effect, Option.some))
          return passing(turn, Effect.suspend(() => lines.isHeld(key) ? Effect.succeedNone : turn.asEffect()))
        }),
      stats: Effect.sync(() => ({ held: lines.held, waiting: lines.waiting }))
    }
    const observer = Context.get(context, CurrentObserver)
    if (observer === undefined) return Effect.succeed(plain)
    const what = (key: K) => {
      const title = `${name ?? "unnamed"} ${String(key)}`
      return { kind: "keyed mutex", name: name ?? "unnamed", title, owner: lines, key }
    }
    return Effect.succeed<KeyedMutex<K>>({
      ...plain,
      withLock: (key) => (effect) => observed(observer, what(key), effect, plain.withLock(key)),
      tryWithLock: (key) => (effect) => observed(observer, what(key), effect, plain.tryWithLock(key))
    })
  })
