/**
 * Keeps jobs until they are done, and gives each to one worker at a time.
 *
 * A job is bytes in a named queue. Whoever claims it has it alone until the claim ends: because the job is completed, has failed,
 * or is handed back, or because the worker died and the claim's time is over. Then somebody else gets it, with a higher fencing
 * token, and what the first one says of it is refused. Attempts are counted at the claim, so that a job which kills its worker
 * comes to an end: as a dead letter, with its cause and all that it came with.
 *
 * **When to use**
 *
 * For patterns, and where bytes are wanted. `WorkQueue` has typed jobs.
 *
 * **Gotchas**
 *
 * A job is given out at least once: a worker that completes it and dies before the store has heard of it leaves it to another.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { controlOf, resultsOf } from "./internal/jobExtras.ts"
import { memorySteps } from "./internal/jobMemory.ts"
import { makeJobs } from "./internal/jobSteps.ts"
import type {
  Claimed,
  ClaimRequest,
  DeadLetter,
  DeadOptions,
  End,
  Enqueued,
  JobError,
  JobEvent,
  JobInfo,
  LeaseLost,
  NewJob,
  Outcome,
  Stats
} from "./Job.ts"
import * as JobAbility from "./JobAbility.ts"
import type { AllSteps, Backend, ControlSteps, ResultSteps, Settled, Steps } from "./JobBackend.ts"

/**
 * A store of jobs. The name of a queue is 1 to 128 letters, digits and `. _ : / -`; a queue is there when it is named.
 *
 * @category services
 * @since 0.1.0
 */
export class JobStore extends Context.Service<JobStore, {
  /** The backend's name, a label on metrics. */
  readonly backend: string
  /**
   * Adds jobs in order, up to 10,000. What it answers is durable.
   *
   * **Interruption**
   *
   * The jobs may have been added. Where that matters, give them ids and enqueue them again.
   */
  readonly enqueue: (queue: string, jobs: ReadonlyArray<NewJob>) => Effect.Effect<ReadonlyArray<Enqueued>, JobError>
  /**
   * Claims jobs: waits for a first one, and takes what else is there. None came in time: an empty array. What is still claimed
   * when the scope closes is handed back.
   *
   * **Interruption**
   *
   * Ends the wait. What was claimed at that moment is handed back.
   */
  readonly claim: (
    queue: string,
    request?: ClaimRequest
  ) => Effect.Effect<ReadonlyArray<Claimed>, JobError, Scope.Scope>
  /**
   * Runs the effect and renews the claim meanwhile, in one request with all others of this store that are due.
   *
   * **Details**
   *
   * The effect runs for as long as the claim can be proved alive, as `Lease.run` does: past that not one more step of it runs, its
   * finalizers end, and the caller sees `LeaseLost`.
   *
   * **Interruption**
   *
   * Interrupts the effect and waits for its finalizers. The job stays claimed.
   */
  readonly keep: <A, E, R>(job: Claimed, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LeaseLost, R>
  /**
   * `keep` for those who run many jobs: starts the effect at once, in a fiber of its own, and calls `onExit` when it has ended, with
   * undefined where the claim was over before. Answers the fiber, where it has not ended yet.
   *
   * **Interruption**
   *
   * Interrupt the fiber. The job stays claimed.
   */
  readonly keepUnsafe: <A, E, R>(
    job: Claimed,
    effect: Effect.Effect<A, E, R>,
    context: Context.Context<R>,
    onExit: (exit: Exit.Exit<A, E> | undefined) => void
  ) => Fiber.Fiber<A, E> | undefined
  /**
   * Ends a claim, and tells what became of the job. Fails with `LeaseLost` where the claim was over already: then nothing has
   * changed.
   *
   * **Interruption**
   *
   * The claim may have ended.
   */
  readonly settle: (job: Claimed, end: End) => Effect.Effect<Exclude<Settled, "Lost">, JobError | LeaseLost>
  /**
   * Ends many claims, in one request where the backend can: for each what became of the job, or why its claim has not ended or is
   * not known to have.
   *
   * **Interruption**
   *
   * The claims may have ended.
   */
  readonly settleAll: (
    ends: ReadonlyArray<{ readonly job: Claimed; readonly end: End }>
  ) => Effect.Effect<ReadonlyArray<Exclude<Settled, "Lost"> | JobError | LeaseLost>>
  /** The oldest dead letters of a queue. */
  readonly deadLetters: (queue: string, options?: DeadOptions) => Effect.Effect<ReadonlyArray<DeadLetter>, JobError>
  /**
   * Makes dead letters wait again, behind all others and with all their attempts: those with these ids, by default all. Answers
   * how many.
   */
  readonly redrive: (queue: string, ids?: ReadonlyArray<string>) => Effect.Effect<number, JobError>
  /** Removes the jobs that wait, or the dead letters. Answers how many. What is claimed stays. */
  readonly purge: (queue: string, what: "waiting" | "dead") => Effect.Effect<number, JobError>
}>()("heddle/JobStore") {}

/**
 * Looks at queues and steers them: for stores whose backend can.
 *
 * @category services
 * @since 0.1.0
 */
export class JobControl extends Context.Service<JobControl, {
  readonly inspect: (queue: string, id: string) => Effect.Effect<Option.Option<JobInfo>, JobError>
  readonly stats: (queue: string) => Effect.Effect<Stats, JobError>
  /**
   * Ends a job that waits or is claimed; false where there is none. Its worker is interrupted as soon as it hears of it: with its
   * next renewal at the latest.
   */
  readonly cancel: (queue: string, id: string) => Effect.Effect<boolean, JobError>
  /** Lets no job of the queue be claimed, in any process, until `resume`. What is claimed goes on. */
  readonly pause: (queue: string) => Effect.Effect<void, JobError>
  readonly resume: (queue: string) => Effect.Effect<void, JobError>
}>()("heddle/JobStore/JobControl") {}

/**
 * Tells how jobs go on and how they end, to any process: for stores whose backend can.
 *
 * @category services
 * @since 0.1.0
 */
export class JobResults extends Context.Service<JobResults, {
  /** Tells at most 65,536 bytes to those who follow the job. Fails with `LeaseLost` where the claim is over. */
  readonly report: (job: Claimed, value: Uint8Array) => Effect.Effect<void, JobError | LeaseLost>
  /** What was reported last, what is reported from now on, and at last how the job ended. A slow reader may miss reports. */
  readonly follow: (queue: string, id: string) => Stream.Stream<JobEvent, JobError>
  /**
   * Waits until the job has ended. Give the job a `keep`, so that its outcome is still known when you ask.
   *
   * **Interruption**
   *
   * Ends the wait. The job goes on.
   */
  readonly outcome: (queue: string, id: string) => Effect.Effect<Outcome, JobError>
}>()("heddle/JobStore/JobResults") {}

/**
 * Builds the service from a backend's steps, and returns both: the steps are for `makeControl` and `makeResults`.
 *
 * @category backends
 * @since 0.1.0
 */
export const make = <S extends Steps, E, R>(
  backend: Backend<S, E, R>
): Effect.Effect<{ readonly store: JobStore["Service"]; readonly steps: S }, E, R | Scope.Scope> => makeJobs(backend)

/**
 * Builds `JobControl` from a backend's steps.
 *
 * @category backends
 * @since 0.1.0
 */
export const makeControl = (steps: ControlSteps): JobControl["Service"] => controlOf(steps)

/**
 * Builds `JobResults` from a backend's steps.
 *
 * @category backends
 * @since 0.1.0
 */
export const makeResults = (steps: ResultSteps): JobResults["Service"] => resultsOf(steps)

/**
 * All that a store can do, but for enqueuing inside of the app's transactions.
 *
 * @category services
 * @since 0.1.0
 */
export type All =
  | JobStore
  | JobControl
  | JobResults
  | JobAbility.Priority
  | JobAbility.Delay
  | JobAbility.KeyOrder
  | JobAbility.Unique
  | JobAbility.Batch

/**
 * The layer of a backend that has all steps and the abilities of {@link All}.
 *
 * @category backends
 * @since 0.1.0
 */
export const layerOf = <E, R>(
  backend: Omit<Backend<AllSteps, E, R>, "abilities">
): Layer.Layer<All, E, Exclude<R, Scope.Scope>> =>
  Layer.mergeAll(
    Layer.effectContext(
      Effect.map(make({ ...backend, abilities }), ({ steps, store }) =>
        Context.make(JobStore, store).pipe(
          Context.add(JobControl, makeControl(steps)),
          Context.add(JobResults, makeResults(steps))
        ))
    ),
    JobAbility.Priority.layer,
    JobAbility.Delay.layer,
    JobAbility.KeyOrder.layer,
    JobAbility.Unique.layer,
    JobAbility.Batch.layer
  )

/**
 * Keeps all jobs in this process: the reference that runs the laws first, for tests and for one-process programs.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<All> = Layer.suspend(() =>
  layerOf({ backend: "memory", owner: "local", steps: memorySteps })
)

const abilities = [
  JobAbility.Priority,
  JobAbility.Delay,
  JobAbility.KeyOrder,
  JobAbility.Unique,
  JobAbility.Batch
]
