/**
 * What a backend fills so that `JobStore.make` can build the service on it.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type {
  Claimed,
  DeadLetter,
  Failure,
  Headers,
  InvalidJob,
  JobError,
  JobEvent,
  JobInfo,
  Stats,
  StoreUnavailable
} from "./Job.ts"
import type * as JobAbility from "./JobAbility.ts"

export { settleEach } from "./internal/jobSettle.ts"
export { type Taken, type Takes, waiting } from "./internal/jobWaiting.ts"

/**
 * A job as a backend sees it: checked and complete. Times are milliseconds.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Entry {
  readonly id: string
  readonly payload: Uint8Array
  readonly headers: Headers
  readonly key: string | undefined
  readonly priority: number
  readonly delay: number
  readonly maxAttempts: number
  readonly keep: number
}

/**
 * How many milliseconds of waiting a level of priority is worth. Jobs go in the order of the instant when they could be
 * claimed, less this for each level; then in the order they came.
 *
 * @category backends
 * @since 0.1.0
 */
export const level = 60_000

/**
 * A claim as a backend sees it. `wait`: whether to wait for a first job.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Claim {
  readonly queue: string
  readonly max: number
  /** Milliseconds. */
  readonly ttl: number
  readonly owner: string
  readonly wait: boolean
}

/**
 * What names a claimed job.
 *
 * @category backends
 * @since 0.1.0
 */
export type Held = Pick<Claimed, "queue" | "id" | "token" | "ttl">

/**
 * `Job.End`, checked. The delay is in milliseconds.
 *
 * @category backends
 * @since 0.1.0
 */
export type Settlement =
  | { readonly _tag: "Completed"; readonly result: Uint8Array | undefined }
  | { readonly _tag: "Retry"; readonly delay: number; readonly failure: Failure }
  | { readonly _tag: "Dead"; readonly failure: Failure }
  | { readonly _tag: "HandedBack" }

/**
 * What became of a settlement. `Lost`: the claim was over, and nothing changed.
 *
 * @category backends
 * @since 0.1.0
 */
export type Settled = "Completed" | "Retried" | "Dead" | "HandedBack" | "Lost"

/**
 * A claim and how it ends.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Ending {
  readonly held: Held
  readonly settlement: Settlement
}

/**
 * The atomic steps that every backend fills. `JobMachine` says what each of them means.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Steps {
  /**
   * Adds the jobs in order, none whose id the queue knows: for each, whether it was added. A job that waits for a claim goes to
   * it without any polling.
   */
  readonly enqueue: (queue: string, entries: ReadonlyArray<Entry>) => Effect.Effect<ReadonlyArray<boolean>, JobError>
  /**
   * Claims up to `max` jobs, and waits for the first where `wait` says so; core bounds the wait. `until` counts from the instant
   * before the request was sent.
   *
   * Core runs it uninterruptible, so that no claimed job falls between two hands: what waits in it is `Effect.interruptible`, and
   * hands back what it is given when it is interrupted. `waiting` builds it of steps that do not wait.
   */
  readonly claim: (claim: Claim) => Effect.Effect<ReadonlyArray<Claimed>, StoreUnavailable>
  /** Extends the claims by their ttl from now: for each its new `until`, or undefined where it is over. */
  readonly extend: (
    held: ReadonlyArray<Held>
  ) => Effect.Effect<ReadonlyArray<number | undefined>, StoreUnavailable>
  /**
   * Ends claims, in one request where the backend can: for each what became of it, or why that is not known. Asking again after a
   * lost answer is safe, and may be told `Lost`. `settleEach` makes it of a step that ends one.
   */
  readonly settle: (ends: ReadonlyArray<Ending>) => Effect.Effect<ReadonlyArray<Settled | StoreUnavailable>>
  /** Hands back, sent at once and not waited for. The layer's close waits for those still on their way. */
  readonly handBackUnsafe: (held: ReadonlyArray<Held>) => void
  /** The first `limit` dead letters, oldest first. */
  readonly deadLetters: (queue: string, limit: number) => Effect.Effect<ReadonlyArray<DeadLetter>, StoreUnavailable>
  /**
   * Makes dead letters wait again, behind all others and with all their attempts: those with these ids, or all. Answers how
   * many.
   */
  readonly redrive: (
    queue: string,
    ids: ReadonlyArray<string> | undefined
  ) => Effect.Effect<number, InvalidJob | StoreUnavailable>
  /** Removes the jobs that wait (those delayed too), or the dead letters. Answers how many. */
  readonly purge: (queue: string, what: "waiting" | "dead") => Effect.Effect<number, StoreUnavailable>
}

/**
 * The steps of `JobStore.JobControl`.
 *
 * @category backends
 * @since 0.1.0
 */
export interface ControlSteps {
  readonly inspect: (queue: string, id: string) => Effect.Effect<JobInfo | undefined, StoreUnavailable>
  readonly stats: (queue: string) => Effect.Effect<Stats, StoreUnavailable>
  /** Ends a job that waits or is claimed, with the outcome `Cancelled`; false where there is none. */
  readonly cancel: (queue: string, id: string) => Effect.Effect<boolean, StoreUnavailable>
  /** While a queue is paused no job of it is claimed. Those who wait for one are woken when it is no longer. */
  readonly setPaused: (queue: string, paused: boolean) => Effect.Effect<void, StoreUnavailable>
}

/**
 * The steps of `JobStore.JobResults`.
 *
 * @category backends
 * @since 0.1.0
 */
export interface ResultSteps {
  /** Tells those who follow the job; false where the claim is over. */
  readonly report: (held: Held, value: Uint8Array) => Effect.Effect<boolean, StoreUnavailable>
  /**
   * What was reported last by the present claim, if anything, what is reported from now on, and at last `Ended`. A slow reader
   * may miss reports before the latest.
   */
  readonly follow: (queue: string, id: string) => Stream.Stream<JobEvent, StoreUnavailable>
}

/**
 * All steps.
 *
 * @category backends
 * @since 0.1.0
 */
export type AllSteps = Steps & ControlSteps & ResultSteps

/**
 * What a backend brings; core checks the input, bounds the waits, renews the claims and watches their deadlines.
 *
 * @category backends
 * @since 0.1.0
 */
export interface Backend<S extends Steps, E, R> {
  readonly backend: string
  /** Who claims, as `inspect` shows it. */
  readonly owner: string
  /** What the backend does of `JobAbility`; core refuses the rest. */
  readonly abilities: ReadonlyArray<JobAbility.Any>
  /** Builds the steps. `revoked` reports a claim that is known lost: calling it is optional, `extend` tells as well. */
  readonly steps: (revoked: (held: Pick<Held, "queue" | "id" | "token">) => void) => Effect.Effect<S, E, R>
}
