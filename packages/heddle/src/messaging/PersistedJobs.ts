/**
 * Lets programs on Effect's own `PersistedQueue` run on any `JobStore`, without a change but for the layer.
 *
 * What that brings them: workers that are woken instead of asking once a second, renewals of all claims in one request, fencing of
 * late completions, and the backends that have a `JobStore`.
 *
 * **When to use**
 *
 * For code that is written against `PersistedQueue`. New code has more from `WorkQueue`: results, progress, keys, and handlers that are
 * interrupted when their claim is lost.
 *
 * **Gotchas**
 *
 * - The contract cannot tell a handler that its claim was lost: it runs on, and its completion is refused.
 * - An id that the app has chosen is known for 30 days after the end of its element. Of `layerCleanup` nothing is needed; dead letters stay
 *   until they are purged from the `JobStore`, and asking for a `failedTimeToLive` fails.
 * - Names and ids are those of a `JobStore`: a name of 1 to 128 letters, digits and `. _ : / -`, an id of 1 to 200 characters.
 *
 * **Example** (On the memory store)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { PersistedQueue } from "effect/persistence"
 * import { JobStore, PersistedJobs } from "heddle/messaging"
 *
 * const program = Effect.gen(function*() {
 *   const mails = yield* PersistedQueue.make({ name: "mails", schema: Schema.String })
 *   yield* mails.offer("ada@example.org", { id: "welcome-ada" })
 *   return yield* mails.take((to, { attempts }) => Effect.succeed(`${to}, attempt ${attempts}`))
 * })
 *
 * await Effect.runPromise(Effect.provide(
 *   program,
 *   PersistedQueue.layer.pipe(Layer.provide(PersistedJobs.layerStore()), Layer.provide(JobStore.layerMemory))
 * )) // => "ada@example.org, attempt 1"
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { PersistedQueueError, PersistedQueueStore } from "effect/persistence/PersistedQueue"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { workCodec } from "./internal/workCodec.ts"
import type { Claimed, End, JobError, LeaseLost } from "./Job.ts"
import type * as JobAbility from "./JobAbility.ts"
import { JobStore } from "./JobStore.ts"

/**
 * How elements are taken.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long a claim outlives a process that died, 10 ms to 1 day; it is renewed while the handler runs. Default 30 seconds. */
  readonly ttl?: Duration.Input | undefined
}

/**
 * The store of `PersistedQueue`, on a `JobStore`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (
  { ttl = "30 seconds" }: Options = {}
): Layer.Layer<PersistedQueueStore, never, JobStore | JobAbility.Unique | JobAbility.Delay> =>
  Layer.effect(
    PersistedQueueStore,
    Effect.map(JobStore, (store) => {
      const take: PersistedQueueStore["Service"]["take"] = (options) =>
        Effect.gen(function*() {
          const { maxAttempts, name, retryDelay } = options
          for (;;) {
            const [job] = yield* store.claim(name, { ttl, waitFor: Infinity })
            if (job === undefined) continue
            const element = yield* Effect.option(codec.decode(job.payload))
            const why = element._tag === "None"
              ? "its bytes are no element"
              : job.attempt > maxAttempts
              ? `it has had all of its ${maxAttempts} attempts`
              : undefined
            if (why !== undefined || element._tag === "None") {
              yield* settling(store, job, { _tag: "Dead", failure: { cause: why ?? "" } })
              continue
            }
            yield* Effect.addFinalizer((exit) =>
              Effect.flatMap(endOf(exit, job, maxAttempts, retryDelay), (end) => settling(store, job, end))
            )
            yield* Effect.forkScoped(Effect.ignore(store.keep(job, Effect.never)))
            return { id: job.id, attempts: job.attempt, element: element.value }
          }
        }).pipe(Effect.mapError(failure))
      return PersistedQueueStore.of({
        offer: ({ delay, element, id, isCustomId, name }) =>
          codec.encode(element).pipe(
            Effect.mapError((message) => new PersistedQueueError({ message })),
            Effect.flatMap((payload) =>
              Effect.mapError(
                store.enqueue(name, [{ payload, id, delay, keep: isCustomId ? "30 days" : 0, maxAttempts: 1000 }]),
                failure
              )
            ),
            Effect.asVoid
          ),
        take,
        cleanup: ({ failedTimeToLive }) => failedTimeToLive === undefined ? Effect.void : Effect.fail(unasked)
      })
    })
  )

const codec = workCodec(Schema.Unknown)

const failure = (error: JobError | LeaseLost): PersistedQueueError =>
  new PersistedQueueError({ message: error.message, cause: error })

const unasked = new PersistedQueueError({ message: "dead letters stay until they are purged from the JobStore" })

/** How a claim ends whose scope closes so. */
const endOf = (
  exit: Exit.Exit<unknown, unknown>,
  { attempt }: Claimed,
  maxAttempts: number,
  retryDelay: (attempts: number) => Effect.Effect<Duration.Duration>
): Effect.Effect<End> => {
  if (Exit.isSuccess(exit)) return Effect.succeed({ _tag: "Completed" })
  if (Cause.hasInterruptsOnly(exit.cause)) return Effect.succeed({ _tag: "HandedBack" })
  const failure = { cause: Cause.pretty(exit.cause) }
  if (attempt >= maxAttempts || exit.cause.reasons.some(isDeadLetter)) return Effect.succeed({ _tag: "Dead", failure })
  return Effect.map(retryDelay(attempt), (delay) => ({ _tag: "Retry", delay, failure }))
}

/** What Effect's queue fails with inside of its scope when an element does not decode. */
const isDeadLetter = (reason: Cause.Reason<unknown>): boolean =>
  Cause.isFailReason(reason) && Predicate.isTagged(reason.error, "~effect/persistence/PersistedQueue/DeadLetter")

/** Tells the store until it has heard it; where the claim is over meanwhile, the element is somebody else's. */
const settling = (store: JobStore["Service"], job: Claimed, end: End): Effect.Effect<void> =>
  store.settle(job, end).pipe(
    Effect.retry({ while: ({ _tag }) => _tag === "StoreUnavailable", schedule: again, times: 20 }),
    Effect.catch((error) => Effect.logWarning(`${job.queue} ${job.id} did not end as ${end._tag}: ${error.message}`)),
    Effect.asVoid
  )

const again = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")])
