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
import type { WorkCodecs } from "./workCodec.ts"
import type { WorkTally } from "./workMetrics.ts"
import { tracedJob } from "./workTrace.ts"

/** What the jobs of one `process` share. */
export interface Work<A, S, E, P, R> {
  readonly store: JobStore["Service"]
  readonly codecs: WorkCodecs<A, S, E, P>
  readonly handler: Handler<A, S, E, P, R>
  readonly retry: Schedule.Schedule<unknown, Cause.Cause<E>>
  readonly tally: WorkTally
  /** Whether the worker is shutting down: who is interrupted then has not failed. */
  readonly isStopping: () => boolean
}

/** Works on one job and tells the store how that ended. It fails with nothing: what a lost claim leaves is another's. */
export const handle = <A, S, E, P, R>(work: Work<A, S, E, P, R>, job: Claimed): Effect.Effect<void, never, R> =>
  Effect.matchEffect(
    work.store.keep(
      job,
      Effect.uninterruptibleMask((restore) => {
        const transaction: Transaction = { completed: false }
        return Effect.flatMap(Effect.exit(restore(tracedJob(job, attempt(work, job, transaction)))), (exit) => {
          if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) && work.isStopping()) {
            return settle(work, job, { _tag: "HandedBack" })
          }
          const end = Exit.isSuccess(exit) ? Effect.succeed(exit.value) : failed(work, job, exit.cause)
          const told = Effect.flatMap(end, (end) => restore(settling(work, job, end)))
          // What was committed is over already; what was rolled back is told once more.
          return transaction.completed && Exit.isSuccess(exit)
            ? told.pipe(Effect.catch(() => Effect.sync(() => void work.tally.Completed++)))
            : told
        })
      })
    ),
    {
      onFailure: () => Effect.sync(() => void work.tally.lost++),
      onSuccess: () => Effect.void
    }
  )

/** Whether the handler has completed its job in a transaction of its own. */
interface Transaction {
  completed: boolean
}

/** What the handler makes of the job, where there is still time for it and it can be read. */
const attempt = <A, S, E, P, R>(
  { codecs, handler, store }: Work<A, S, E, P, R>,
  job: Claimed,
  transaction: Transaction
): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> =>
  Effect.matchEffect(codecs.payload.decode(job.payload), {
    onFailure: (reason): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> =>
      Effect.succeed(dead(`the payload does not decode: ${reason}`)),
    onSuccess: (payload): Effect.Effect<End, E | Deadline.DeadlineExceeded, R> => {
      const complete: Task<P, S>["complete"] = (value) =>
        Effect.flatMap(completed(codecs, value), (end) => {
          if (end._tag === "Dead") return Effect.fail(new InvalidJob({ field: "result", message: end.failure.cause }))
          return Effect.map(store.settle(job, end), () => {
            transaction.completed = true
          })
        })
      const run = Effect.flatMap(
        handler(payload, { ...taskOf(codecs, job), complete }),
        (value) => completed(codecs, value)
      )
      const budget = job.headers["heddle-timeout"]
      return budget === undefined ? run : Deadline.within(Number(budget) - job.age, job.queue)(run)
    }
  })

const completed = <A, S, E, P>({ success }: WorkCodecs<A, S, E, P>, value: S): Effect.Effect<End> =>
  success === undefined
    ? Effect.succeed({ _tag: "Completed" })
    : Effect.match(success.encode(value), {
      onSuccess: (result): End => ({ _tag: "Completed", result }),
      onFailure: (reason): End => dead(`the result does not encode: ${reason}`)
    })

const taskOf = <A, S, E, P>(codecs: WorkCodecs<A, S, E, P>, job: Claimed): Omit<Task<P, S>, "complete"> => ({
  id: job.id,
  token: job.token,
  attempt: job.attempt,
  maxAttempts: job.maxAttempts,
  key: job.key,
  headers: job.headers,
  age: job.age,
  report: (value): Effect.Effect<void, JobError | LeaseLost, JobResults> => {
    const { progress } = codecs
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
})

const dead = (cause: string): End => ({ _tag: "Dead", failure: { cause } })

/** How a job ends that has failed: it is tried again for as long as the schedule says and its deadline allows. */
const failed = <A, S, E, P, R>(
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

/** Tells the store until it has heard it, for as long as the claim lives. */
const settling = <A, S, E, P, R>(
  work: Work<A, S, E, P, R>,
  job: Claimed,
  end: End
): Effect.Effect<void, LeaseLost> =>
  Effect.matchEffect(Effect.retry(work.store.settle(job, end), { schedule: again, while: isUnavailable }), {
    onSuccess: (settled) => Effect.sync(() => void work.tally[settled]++),
    onFailure: (error): Effect.Effect<void, LeaseLost> => {
      switch (error._tag) {
        case "InvalidJob":
          return settling(work, job, dead(`what became of it was refused: ${error.message}`))
        case "LeaseLost":
          return Effect.fail(error)
        case "StoreUnavailable":
          return Effect.void
      }
    }
  })

const isUnavailable = (error: JobError | LeaseLost): boolean => error._tag === "StoreUnavailable"

const again = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]))

/** Tells the store once. What it did not hear, the end of the claim tells it. */
const settle = <A, S, E, P, R>(work: Work<A, S, E, P, R>, job: Claimed, end: End): Effect.Effect<void> =>
  Effect.match(work.store.settle(job, end), {
    onSuccess: (settled) => {
      work.tally[settled]++
    },
    onFailure: () => {
      work.tally.lost++
    }
  })
