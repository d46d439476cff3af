/**
 * A job: bytes that somebody has to work on once, kept by a store until that is done.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { StoreUnavailable } from "../coordination/Lease.ts"

export { LeaseLost, StoreUnavailable } from "../coordination/Lease.ts"

/**
 * Names and values that travel with a job: lower-case names of letters, digits and `-`, values of printable ASCII.
 *
 * @category models
 * @since 0.1.0
 */
export type Headers = Readonly<Record<string, string>>

/**
 * What is to be enqueued.
 *
 * @category models
 * @since 0.1.0
 */
export interface NewJob {
  /** At most 1,000,000 bytes. */
  readonly payload: Uint8Array
  /** At most 16,384 characters in all. Default: none. */
  readonly headers?: Headers | undefined
  /**
   * What the job is known by in its queue: 1 to 200 characters. A job whose id the queue knows already is not added. Default:
   * an id of its own. Needs `JobAbility.Unique`.
   */
  readonly id?: string | undefined
  /** How long nobody gets it, up to a year. Default: not at all. Needs `JobAbility.Delay`. */
  readonly delay?: Duration.Input | undefined
  /** 0 to 9: each level is worth a minute of waiting, so that nothing starves. Default 0. Needs `JobAbility.Priority`. */
  readonly priority?: number | undefined
  /**
   * Jobs of one key are worked on one at a time, in the order they were enqueued: whoever is first holds the others, also
   * while it waits for its delay or its next attempt. 1 to 200 characters. Needs `JobAbility.KeyOrder`.
   */
  readonly key?: string | undefined
  /** How many times it may be begun before it becomes a dead letter: 1 to 1,000. Default 10. */
  readonly maxAttempts?: number | undefined
  /**
   * How long its id and its result are known after it has ended, up to 30 days. Default: an hour where it has an `id`, else not
   * at all.
   */
  readonly keep?: Duration.Input | undefined
}

/**
 * What became of an enqueued job: `added` is false where the queue knew the id already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Enqueued {
  readonly id: string
  readonly added: boolean
}

/**
 * What is to be claimed.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClaimRequest {
  /** How many jobs at most, 1 to 1,000. Default 1. */
  readonly max?: number | undefined
  /** How long a claim outlives a worker that died, 10 ms to 1 day. Default 30 seconds. */
  readonly ttl?: Duration.Input | undefined
  /** How long to wait for a first job; 0 asks once, `Infinity` waits for ever. Default 30 seconds. */
  readonly waitFor?: Duration.Input | undefined
}

/**
 * A job that was claimed: nobody else gets it until the claim ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claimed {
  readonly queue: string
  readonly id: string
  /** The fencing token: above that of each earlier claim of the job. Send it along with what the job writes. */
  readonly token: bigint
  /** Which attempt this is, from 1. */
  readonly attempt: number
  readonly maxAttempts: number
  readonly key: string | undefined
  readonly payload: Uint8Array
  readonly headers: Headers
  /** How long ago it was enqueued, in milliseconds on the store's clock. */
  readonly age: number
  /** Milliseconds. */
  readonly ttl: number
  /** The instant of the monotonic clock (ms) when the claim ends, counted from when it was asked for. */
  readonly until: number
}

/**
 * Why a job failed: `cause` is for people (what is beyond 8,192 characters is cut), `error` for programs: at most 1,000,000
 * bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  readonly cause: string
  readonly error?: Uint8Array | undefined
}

/**
 * How a claim ends.
 *
 * `Completed` ends the job. `Retry` gives it to somebody after a delay (up to a year), or makes it a dead letter where it has
 * had all its attempts. `Dead` makes it one at once. `HandedBack` gives it to somebody else, in its old place, as if it had not
 * been claimed: the attempt is not counted.
 *
 * @category models
 * @since 0.1.0
 */
export type End =
  | { readonly _tag: "Completed"; readonly result?: Uint8Array | undefined }
  | { readonly _tag: "Retry"; readonly delay: Duration.Input; readonly failure: Failure }
  | { readonly _tag: "Dead"; readonly failure: Failure }
  | { readonly _tag: "HandedBack" }

/**
 * A job that nobody works on any more, with all that it came with.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter {
  readonly id: string
  readonly key: string | undefined
  readonly payload: Uint8Array
  readonly headers: Headers
  readonly attempts: number
  readonly failure: Failure
}

/**
 * Which part of the dead letters to read, oldest first.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadOptions {
  /** How many at most, 1 to 1,000. Default 100. */
  readonly limit?: number | undefined
}

/**
 * How a job ended. `Unknown`: the queue does not know the id, or no longer.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Completed"; readonly result: Uint8Array | undefined }
  | { readonly _tag: "Dead"; readonly failure: Failure }
  | { readonly _tag: "Cancelled" }
  | { readonly _tag: "Unknown" }

/**
 * What is told of a job: what its worker reports, and at last how it ended.
 *
 * @category models
 * @since 0.1.0
 */
export type JobEvent =
  | { readonly _tag: "Progress"; readonly value: Uint8Array }
  | { readonly _tag: "Ended"; readonly outcome: Outcome }

/**
 * How many jobs of a queue are in which state. `waiting` can be claimed or wait for an earlier one of their key; `delayed` wait
 * for their time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  readonly waiting: number
  readonly delayed: number
  readonly claimed: number
  readonly dead: number
  readonly paused: boolean
}

/**
 * One job, as `inspect` shows it. `ended`: it is done or was cancelled, and still known.
 *
 * @category models
 * @since 0.1.0
 */
export interface JobInfo {
  readonly id: string
  readonly state: "waiting" | "delayed" | "claimed" | "dead" | "ended"
  readonly attempts: number
  readonly key: string | undefined
  /** Who works on it: the `owner` of a store. */
  readonly owner: string | undefined
}

/**
 * The call cannot mean anything, or asks for what the store does not do. Nothing was sent. Correct the field named.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidJob extends Schema.TaggedError<InvalidJob>()("InvalidJob", {
  field: Schema.String,
  message: Schema.String
}) {}

/**
 * Why most calls can fail.
 *
 * @category errors
 * @since 0.1.0
 */
export type JobError = InvalidJob | StoreUnavailable
