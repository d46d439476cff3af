/**
 * Runs an effect once for a key, however many call on however many machines: one runs it, all get its result.
 *
 * **When to use**
 *
 * For work that must not be done twice and whose result all want: a migration, a payment with an idempotency key, a report
 * that many ask for at once. `DistributedLock` lets everyone do it, one after the other.
 *
 * **Gotchas**
 *
 * Once is: one run at a time, and none after one that succeeded. A runner that dies in the middle has perhaps done a half,
 * and somebody else begins anew. Let the effect bear that, or send `token` along with each write and let the receiver refuse
 * a smaller one than it has seen.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { inSpan, isTraced } from "../internal/traced.ts"
import { type JsonCodec, jsonCodec } from "./internal/kvCodec.ts"
import { call } from "./internal/onceCall.ts"
import { checkOnce } from "./internal/onceRequest.ts"
import type { KvLease, Undecodable } from "./KvEntry.ts"
import { InvalidKey } from "./KvEntry.ts"
import { KvStore } from "./KvStore.ts"
import type { LeaseLost, LeaseTimeout, StoreUnavailable } from "./Lease.ts"

/**
 * What to run once, and how its result is kept. `RD` and `RE` are what the schemas need to decode and to encode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E = never, RD = never, RE = never> {
  /** What is done once: any well-formed string of 1 to 800 characters. */
  readonly key: string
  /** What the effect succeeds with; it is kept as JSON, at most a mebibyte of it. A result that it refuses is a defect. */
  readonly success: Schema.Codec<A, unknown, RD, RE>
  /** What the effect fails with. Default: it does not fail. */
  readonly error?: Schema.Codec<E, unknown, RD, RE> | undefined
  /**
   * What the result depends on beside the key, such as the arguments, or a hash of them: at most 65,536 characters. Another
   * input for the same key is an `OnceConflict`. Default: nothing.
   */
  readonly input?: string | undefined
  /** How long the result is kept, 10 ms to 400 days, or `Infinity`. Default 1 day. */
  readonly retention?: Duration.Input | undefined
  /** After which time a runner that died is given up and somebody else runs, 10 ms to 1 day. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to wait for the run of somebody else; 0 looks once. It does not bound one's own run. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
}

/**
 * A run, as the effect sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run extends Pick<KvLease, "isAlive" | "guard"> {
  readonly key: string
  /** The fencing token: above that of every earlier run of the key. */
  readonly token: bigint
}

/**
 * Somebody gave the key another input. Nothing was run. Use another key, or the same input.
 *
 * @category errors
 * @since 0.1.0
 */
export class OnceConflict extends Schema.TaggedError<OnceConflict>()("OnceConflict", {
  key: Schema.String,
  input: Schema.String,
  /** What it was run with. */
  actual: Schema.String
}) {
  override get message(): string {
    return `${JSON.stringify(this.key)} was run with another input; use another key, or the same input`
  }
}

/**
 * Why a run can fail, besides the effect's own errors.
 *
 * `LeaseLost`: this caller ran it, and was given up for dead before it was done; what it did was interrupted, and its result
 * refused. `LeaseTimeout`: somebody else did not end within `waitFor`. `Undecodable`: the result that was kept is none of
 * the schema.
 *
 * @category errors
 * @since 0.1.0
 */
export type OnceError = InvalidKey | LeaseLost | LeaseTimeout | OnceConflict | StoreUnavailable | Undecodable

/**
 * Gives the result of the key: the one that is kept, or that of whoever runs it now, or else runs the effect.
 *
 * **Details**
 *
 * The effect runs in a child fiber for as long as its lease is alive. Its success is kept for `retention`. A typed failure is
 * told to everyone who waits for that run, and not kept: the next caller runs anew. After a death, a defect or an
 * interruption one of those who wait runs anew. A result that is kept costs one round trip; a run costs three more. Whoever
 * waits is told by the store, and does not ask.
 *
 * **Interruption**
 *
 * Of one who waits: leaves. Of one who runs: interrupts the effect, waits for its finalizers, and lets somebody else run. A
 * success that is being written is written.
 *
 * **Example** (Three callers, one run)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { KvStore, Once } from "heddle/coordination"
 *
 * let runs = 0
 * const report = Once.run({ key: "report/2026-11", success: Schema.String })(
 *   Effect.sync(() => `run ${++runs}`)
 * )
 * const program = Effect.all([report, report, report], {
 *   concurrency: "unbounded"
 * })
 *
 * const told = await Effect.runPromise(
 *   program.pipe(Effect.provide(KvStore.layerMemory))
 * )
 * told // => ["run 1", "run 1", "run 1"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <A, E = never, RD = never, RE = never>(options: Options<A, E, RD, RE>) => {
  const request = checkOnce(options)
  const success: JsonCodec<A, RD, RE> = jsonCodec(options.success)
  const error: JsonCodec<E, RD, RE> = jsonCodec(options.error ?? Schema.Never)
  return <R>(
    effect: Effect.Effect<A, E, R> | ((run: Run) => Effect.Effect<A, E, R>)
  ): Effect.Effect<A, E | OnceError, R | RD | RE | KvStore> => {
    if (request instanceof InvalidKey) return Effect.fail(request)
    const { input, key } = request
    return Effect.withFiber<A, E | OnceError, R | RD | RE | KvStore>((fiber) => {
      const store = Context.getUnsafe(fiber.context, KvStore)
      const called = call<A, E, R, RD, RE>(fiber, {
        store,
        request,
        success,
        error,
        effect: Effect.isEffect(effect) ? () => effect : effect,
        conflict: (actual) => new OnceConflict({ key, input, actual })
      })
      return isTraced(fiber)
        ? inSpan("Once.run", { "heddle.backend": store.backend, "heddle.once.key": key }, called)
        : called
    })
  }
}
