import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { monotonic } from "../../internal/monotonic.ts"
import * as Deadline from "../../resilience/Deadline.ts"
import type { Claimed, End, Failure, JobError, LeaseLost } from "../Job.ts"
import { InvalidJob } from "../Job.ts"
import { JobResults, type JobStore } from "../JobStore.ts"
import type { Handler, Task } from "../WorkQueue.ts"
import { isDone, type WorkCodecs } from "./workCodec.ts"
import { tracedJob } from "./workTrace.ts"

/** What the jobs of one `process` share. */
export interface Work<A, S, E, P, R> {
  readonly store: JobStore["Service"]
  readonly codecs: WorkCodecs<A, S, E, P>
  readonly handler: Handler<A, S, E, P, R>
  readonly retry: Schedule.Schedule<unknown, Cause.Cause<E>>
}

/** A job that is worked on, or has been. */
export interface Attempt<E> {
  readonly job: Claimed
  /** For how many milliseconds it has waited for a place; undefined until it has one. */
  waited: number | undefined
  /** What the handler has made of the job, once it has. */
  end: End | undefined
  /** How its fiber has ended, where that was without an end. */
  exit: Exit.Exit<End, E | Deadline.DeadlineExceeded> | undefined
  /** Whether the handler has completed the job in a transaction of its own. */
  completed: boolean
  /** Called once: the store knows how the job has ended, or is not told any more. */
  readonly over: () => void
}

/** Works on a job, and notes how that ended: what has been done stays done, even if the fiber is interrupted in that moment. */
export const handle = <A, S, E, P, R>(
  work: Work<A, S, E, P, R>,
  attempt: Attempt<E>
): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> =>
  Effect.map(tracedJob(attempt.job, () => run(work, attempt)), (end) => attempt.end = end)

/** What the handler makes of the job, where there is still time for it and it can be read. */
const run = <A, S, E, P, R>(
  work: Work<A, S, E, P, R>,
  attempt: Attempt<E>
): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> => {
  const decoded = work.codecs.payload.decode(attempt.job.payload)
  if (isDone(decoded) && Exit.isSuccess(decoded)) return handled(work, attempt, decoded.value)
  return Effect.matchEffect(decoded, {
    onFailure: (reason): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> =>
      Effect.succeed(dead(`the payload does not decode: ${reason}`)),
    onSuccess: (payload) => handled(work, attempt, payload)
  })
}

const handled = <A, S, E, P, R>(
  { codecs, handler, store }: Work<A, S, E, P, R>,
  attempt: Attempt<E>,
  payload: A
): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> => {
  const { job } = attempt
  const complete: Task<P, S>["complete"] = (value) =>
    Effect.flatMap(completed(codecs, value), (end) => {
      if (end._tag === "Dead") return Effect.fail(new InvalidJob({ field: "result", message: end.failure.cause }))
      return Effect.map(store.settle(job, end), () => {
        attempt.completed = true
      })
    })
  const { headers, id, key, maxAttempts, token } = job
  const age = job.age + (attempt.waited ?? 0)
  const report = reporting(codecs, job)
  const task = { id, token, attempt: job.attempt, maxAttempts, key, headers, age, report, complete }
  const done = codecs.success === undefined
    ? Effect.map(handler(payload, task), () => told)
    : Effect.flatMap(handler(payload, task), (value) => completed(codecs, value))
  const budget = headers["heddle-timeout"]
  return budget === undefined ? done : Deadline.within(Number(budget) - age, job.queue)(done)
}

const told: End = { _tag: "Completed" }

const completed = <A, S, E, P>({ success }: WorkCodecs<A, S, E, P>, value: S): Effect.Effect<End> =>
  success === undefined
    ? Effect.succeed(told)
    : Effect.matchEager(success.encode(value), {
      onSuccess: (result): End => ({ _tag: "Completed", result }),
      onFailure: (reason): End => dead(`the result does not encode: ${reason}`)
    })

const reporting =
  <A, S, E, P>({ progress }: WorkCodecs<A, S, E, P>, job: Claimed): Task<P, S>["report"] =>
  (value): Effect.Effect<void, JobError | LeaseLost, JobResults> => {
    if (progress === undefined) {
      return Effect.fail(new InvalidJob({ field: "progress", message: "progress has no schema" }))
    }
    return Effect.flatMap(
      Effect.mapError(
        progress.encode(value),
        (reason) => new InvalidJob({ field: "progress", message: `progress: ${reason}` })
      ),
      (bytes) => Effect.flatMap(JobResults, (results) => results.report(job, bytes))
    )
  }

export const dead = (cause: string): End => ({ _tag: "Dead", failure: { cause } })

/** How a job ends that has failed: it is tried again for as long as the schedule says and its deadline allows. */
export const failed = <A, S, E, P, R>(
  { codecs, retry }: Work<A, S, E, P, R>,
  job: Claimed,
  cause: Cause.Cause<E | Deadline.DeadlineExceeded>
): Effect.Effect<End> =>
  Effect.gen(function*() {
    const found = Option.getOrUndefined(Cause.findErrorOption(cause))
    const isLate = found instanceof Deadline.DeadlineExceeded && job.headers["heddle-timeout"] !== undefined
    const failure: Failure = { cause: Cause.pretty(cause) }
    if (isLate) return { _tag: "Dead", failure }
    // A deadline that is not the job's own is an error of the handler.
    const own = cause as Cause.Cause<E>
    const typed = Option.getOrUndefined(Cause.findErrorOption(own))
    const error = typed === undefined || codecs.error === undefined
      ? undefined
      : yield* Effect.match(codecs.error.encode(typed), { onSuccess: (bytes) => bytes, onFailure: () => undefined })
    const delay = yield* delayOf(retry, job.attempt, own)
    const told = { ...failure, error }
    return delay === undefined ? { _tag: "Dead", failure: told } : { _tag: "Retry", delay, failure: told }
  })

/** What a schedule says after so many attempts that failed, each as the last one did; undefined where it has ended. */
const delayOf = <I>(
  schedule: Schedule.Schedule<unknown, I>,
  attempts: number,
  input: I
): Effect.Effect<number | undefined> =>
  Effect.gen(function*() {
    const now = monotonic(yield* Clock.Clock)()
    const step = yield* Schedule.toStep(schedule)
    let delay = 0
    for (let at = 0; at < attempts; at++) {
      const [, duration] = yield* step(now, input)
      delay = Duration.toMillis(duration)
    }
    return Math.min(delay, longest)
  }).pipe(Effect.catchCause(() => Effect.succeed(undefined)))

const longest = 365 * 86_400_000
