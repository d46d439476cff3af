/**
 * Gives typed jobs to workers, in this process or in others, until each is done.
 *
 * Whoever enqueues a job is answered when it is safe in the store. A worker claims it, keeps its claim alive while the handler
 * runs, and ends it by what becomes of the handler: a success completes the job, a failure has it tried again by a schedule, and
 * what cannot be read or has failed for good is kept as a dead letter with its cause and its bytes.
 *
 *     enqueue ──▶ waiting ──▶ handler runs ──▶ done (result)
 *                   ▲             │  fails
 *                   └── delay ◀───┴────────▶ dead letter ── redrive ──▶ waiting
 *
 * **When to use**
 *
 * For work that has to be done even if this process dies. For work of one process that may be forgotten with it, `flow/WorkerPool`
 * is enough; to tell many listeners that something happened, use a topic.
 *
 * **Gotchas**
 *
 * A job is done at least once. A worker that dies between its last write and its completion leaves the job to another: make writes
 * idempotent by `task.id`, or fence them by `task.token`.
 *
 * **Example** (Sums, with the result back)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { JobStore, WorkQueue } from "heddle/messaging"
 *
 * const sums = WorkQueue.make({
 *   name: "sums",
 *   payload: Schema.Struct({ a: Schema.Number, b: Schema.Number }),
 *   success: Schema.Number
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* sums.process(({ a, b }) => Effect.succeed(a + b), { concurrency: 4 })
 *   return yield* sums.enqueueAndAwait({ a: 2, b: 3 })
 * })
 *
 * await Effect.runPromise(
 *   Effect.scoped(program).pipe(Effect.provide(JobStore.layerMemory))
 * ) // => 5
 * ```
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import type { JobFailed } from "./internal/JobFailed.ts"
import { makeQueue } from "./internal/workQueue.ts"
import type {
  DeadLetter,
  DeadOptions,
  Enqueued,
  Headers,
  InvalidJob,
  JobError,
  LeaseLost,
  Stats,
  StoreUnavailable
} from "./Job.ts"
import type * as JobAbility from "./JobAbility.ts"
import type { JobControl, JobResults, JobStore } from "./JobStore.ts"

export { JobFailed } from "./internal/JobFailed.ts"

/**
 * What a queue carries. All who share a queue name it alike.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, S, E, P> {
  /** 1 to 128 letters, digits and `. _ : / -`. */
  readonly name: string
  readonly payload: Schema.Codec<A, unknown>
  /** What a handler returns, for those who wait for it. Default: nothing. */
  readonly success?: Schema.Codec<S, unknown> | undefined
  /** How a handler can fail. Default: it cannot. */
  readonly error?: Schema.Codec<E, unknown> | undefined
  /** What a handler can report on its way. Default: nothing. */
  readonly progress?: Schema.Codec<P, unknown> | undefined
}

/**
 * What can be said of a job. What needs an ability of the store says so in the type of `enqueue`.
 *
 * @category models
 * @since 0.1.0
 */
export interface EnqueueOptions {
  /** The job is added once for each id, also if it is enqueued again after it was done an hour ago. Default: an id of its own. */
  readonly id?: string | undefined
  /** How long nobody gets it, up to a year. Default: not at all. */
  readonly delay?: Duration.Input | undefined
  /** 0 to 9: each level is worth a minute of waiting. Default 0. */
  readonly priority?: number | undefined
  /** Jobs of one key are done one at a time and in order, also over failures. Default: no key. */
  readonly key?: string | undefined
  /** How many times it may be begun, 1 to 1,000: a job that kills its worker ends there as well. Default 10. */
  readonly maxAttempts?: number | undefined
  /** How long its id and result are known after its end. Default: an hour with an `id`, a minute if it is waited for, else not. */
  readonly keep?: Duration.Input | undefined
  /** In what time it must be done, from now on; then it is a dead letter. `enqueueAndAwait` carries the caller's deadline too. */
  readonly deadline?: Duration.Input | undefined
  /** What travels with it. Default: nothing but the trace. */
  readonly headers?: Headers | undefined
}

/**
 * The abilities that a store must have for these options.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs<O> =
  | (Has<O, "id"> extends true ? JobAbility.Unique : never)
  | (Has<O, "delay"> extends true ? JobAbility.Delay : never)
  | (Has<O, "priority"> extends true ? JobAbility.Priority : never)
  | (Has<O, "key"> extends true ? JobAbility.KeyOrder : never)

type Has<O, Key extends string> = Key extends keyof O ? O[Key] extends undefined ? false : true : false

/**
 * What a handler is told of its job.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task<in P, in S = never> {
  readonly id: string
  /** The fencing token: send it with each write, and let the receiver refuse a smaller one than it has seen. */
  readonly token: bigint
  /** Which attempt this is, from 1. */
  readonly attempt: number
  readonly maxAttempts: number
  readonly key: string | undefined
  readonly headers: Headers
  /** How long ago it was enqueued, in milliseconds. */
  readonly age: number
  /** Tells those who follow the job. */
  readonly report: (value: P) => Effect.Effect<void, JobError | LeaseLost, JobResults>
  /**
   * Completes the job inside of the transaction of the app's database that this runs in, with what it writes: both are there when it
   * is committed, or neither. Fails with `LeaseLost` where the claim is over: then let the transaction fail. Let it be the last
   * statement: until the commit the claims of this process cannot be renewed.
   */
  readonly complete: (value: S) => Effect.Effect<void, JobError | LeaseLost, JobAbility.Transactional>
}

/**
 * Does a job.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<A, S, E, P, R> = (payload: A, task: Task<P, S>) => Effect.Effect<S, E, R>

/**
 * How a worker works.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProcessOptions<E> {
  /** How many jobs it does at once, 1 to 10,000. When a handler has ended its place is free, while the store is told of that. Default 1. */
  readonly concurrency?: number | undefined
  /**
   * How many more jobs it claims than it does, 0 to 10,000: with jobs of a few milliseconds most of the time is round trips, and a
   * claim of many costs as much as a claim of one. They are renewed while they wait, in the order they came, and no other worker can
   * have them meanwhile; the end of the scope hands them back uncounted, but a process that dies has spent an attempt of each. Not beside a
   * `rate`. Default 0.
   */
  readonly prefetch?: number | undefined
  /** How long a claim outlives this process, 10 ms to 1 day; it is renewed while the handler runs. Default 30 seconds. */
  readonly ttl?: Duration.Input | undefined
  /**
   * When a job that has failed is tried again; where the schedule ends, it is a dead letter. It is given the cause of the last
   * failure. Default: after 1, 2, 4 … seconds, up to 5 minutes, with jitter, until `maxAttempts`.
   */
  readonly retry?: Schedule.Schedule<unknown, Cause.Cause<E>> | undefined
  /** At most so many jobs begin in this process in any such time. Default: no limit. */
  readonly rate?: { readonly limit: number; readonly per: Duration.Input } | undefined
  /** How long the end of the scope waits for jobs that are being done, before they are interrupted and handed back. Default 10 seconds. */
  readonly grace?: Duration.Input | undefined
}

/**
 * What is told of a job.
 *
 * @category models
 * @since 0.1.0
 */
export type Event<S, E, P> =
  | { readonly _tag: "Progress"; readonly value: P }
  | { readonly _tag: "Completed"; readonly value: S }
  | { readonly _tag: "Failed"; readonly error: E | JobFailed }

/**
 * A queue of typed jobs.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkQueue<A, S, E, P> {
  readonly name: string
  /**
   * Adds a job. It is safe in the store when this answers.
   *
   * **Interruption**
   *
   * The job may have been added. Where that matters, give it an id and enqueue it again.
   */
  readonly enqueue: <const O extends EnqueueOptions = {}>(
    payload: A,
    options?: O
  ) => Effect.Effect<Enqueued, JobError, JobStore | Needs<O>>
  /** Adds up to 10,000 jobs in order, in one request; options may differ from job to job. */
  readonly enqueueAll: <const O extends EnqueueOptions = {}>(
    payloads: ReadonlyArray<A>,
    options?: O | ((payload: A, index: number) => O)
  ) => Effect.Effect<ReadonlyArray<Enqueued>, JobError, JobStore | Needs<O>>
  /**
   * Adds a job and waits for its result, whichever process does it.
   *
   * **Interruption**
   *
   * Ends the wait. The job goes on: `cancel` it where that is not wanted.
   */
  readonly enqueueAndAwait: <const O extends EnqueueOptions = {}>(
    payload: A,
    options?: O
  ) => Effect.Effect<S, E | JobFailed | JobError, JobStore | JobResults | Needs<O>>
  /**
   * Does jobs in the background until the scope closes: then it claims no more, waits for those that are being done, and hands
   * back what it had to interrupt, without counting the attempt.
   *
   * **Details**
   *
   * A handler whose claim is lost (the store was away for too long, the process was stopped, the job was cancelled) is interrupted
   * before another worker can have the job, and what it would have said of it is refused. A defect fails its job, not the worker.
   *
   * **Interruption**
   *
   * Returns at once; interrupting it before leaves nothing behind.
   */
  readonly process: <R>(
    handler: Handler<A, S, E, P, R>,
    options?: ProcessOptions<E>
  ) => Effect.Effect<void, InvalidOption, JobStore | R | Scope.Scope>
  /** What a job reports from now on, the latest first, and at last how it ended. Reports before the latest may be missed. */
  readonly follow: (id: string) => Stream.Stream<Event<S, E, P>, JobError, JobResults>
  /** Ends a job that waits or is being done; false where there is none. Its handler is interrupted. */
  readonly cancel: (id: string) => Effect.Effect<boolean, JobError, JobControl>
  /** Lets no process claim a job, until `resume`. What is being done goes on. */
  readonly pause: Effect.Effect<void, JobError, JobControl>
  readonly resume: Effect.Effect<void, JobError, JobControl>
  readonly stats: Effect.Effect<Stats, JobError, JobControl>
  /** The oldest dead letters, as they came. */
  readonly deadLetters: (
    options?: DeadOptions
  ) => Effect.Effect<ReadonlyArray<DeadLetter>, InvalidJob | StoreUnavailable, JobStore>
  /** Has dead letters done again, with all their attempts: those with these ids, by default all. Answers how many. */
  readonly redrive: (ids?: ReadonlyArray<string>) => Effect.Effect<number, JobError, JobStore>
}

/**
 * Describes a queue. It needs no store before it is used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, S = void, E = never, P = never>(options: Options<A, S, E, P>): WorkQueue<A, S, E, P> =>
  makeQueue(options)
