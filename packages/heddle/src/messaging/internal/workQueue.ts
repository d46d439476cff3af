import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { toMillis } from "../../coordination/internal/leaseRequest.ts"
import { InvalidOption } from "../../internal/InvalidOption.ts"
import { monotonic } from "../../internal/monotonic.ts"
import * as Deadline from "../../resilience/Deadline.ts"
import type { Enqueued, Headers, JobError, NewJob, Outcome } from "../Job.ts"
import { InvalidJob } from "../Job.ts"
import { JobControl, JobResults, JobStore } from "../JobStore.ts"
import type { EnqueueOptions, Event, Handler, Needs, Options, ProcessOptions, WorkQueue } from "../WorkQueue.ts"
import { JobFailed } from "./JobFailed.ts"
import { checkQueue } from "./jobRequest.ts"
import { isDone, workCodec, type WorkCodecs } from "./workCodec.ts"
import { failed, handle, type Work } from "./workHandle.ts"
import { runningTally, workTally } from "./workMetrics.ts"
import { Worker } from "./workProcess.ts"
import { slidingRate } from "./workRate.ts"
import { Settler } from "./workSettle.ts"
import { traceOf } from "./workTrace.ts"

export const makeQueue = <A, S, E, P>(options: Options<A, S, E, P>): WorkQueue<A, S, E, P> => new Queue(options)

class Queue<A, S, E, P> implements WorkQueue<A, S, E, P> {
  readonly name: string
  private readonly codecs: WorkCodecs<A, S, E, P>
  constructor({ error, name, payload, progress, success }: Options<A, S, E, P>) {
    this.name = name
    this.codecs = {
      payload: workCodec(payload),
      success: success === undefined ? undefined : workCodec(success),
      error: error === undefined ? undefined : workCodec(error),
      progress: progress === undefined ? undefined : workCodec(progress)
    }
  }

  readonly enqueue = <const O extends EnqueueOptions = {}>(payload: A, options?: O) =>
    needing<O>()(Effect.map(this.add([payload], options), ([enqueued = { id: "", added: false }]) => enqueued))

  readonly enqueueAll = <const O extends EnqueueOptions = {}>(
    payloads: ReadonlyArray<A>,
    options?: O | ((payload: A, index: number) => O)
  ) => needing<O>()(this.add(payloads, options))

  readonly enqueueAndAwait = <const O extends EnqueueOptions = {}>(payload: A, options?: O) =>
    needing<O>()(Effect.gen({ self: this }, function*() {
      const left = yield* Deadline.remaining
      const deadline = Math.min(left, toMillis(options?.deadline, Infinity))
      const own = { keep: "1 minute", ...options, deadline: deadline === Infinity ? undefined : deadline } as const
      const [enqueued] = yield* this.add([payload], own)
      const id = enqueued?.id ?? ""
      const results = yield* JobResults
      const ended = yield* Effect.flatMap(results.outcome(this.name, id), (outcome) => this.toEvent(id, outcome))
      return yield* ended._tag === "Completed" ? Effect.succeed(ended.value) : Effect.fail(ended.error)
    }))

  readonly process = <R>(handler: Handler<A, S, E, P, R>, options: ProcessOptions<E> = {}) =>
    Effect.gen({ self: this }, function*() {
      const { concurrency = 1, prefetch = 0, rate, retry = doubling } = options
      const ttl = toMillis(options.ttl, 30_000)
      const grace = toMillis(options.grace, 10_000)
      const per = toMillis(rate?.per, 1)
      const limit = rate?.limit ?? 1
      const bad = checkQueue(this.name)
      if (bad !== undefined) return yield* wrong("name", bad.message)
      if (!isWhole(concurrency, 1, 10_000)) {
        return yield* wrong("concurrency", "must be a whole number from 1 to 10,000")
      }
      if (!isWhole(prefetch, 0, 10_000)) return yield* wrong("prefetch", "must be a whole number from 0 to 10,000")
      if (prefetch > 0 && rate !== undefined) {
        return yield* wrong("prefetch", "must be 0 beside a rate: what is claimed counts as begun")
      }
      if (!(ttl >= 10 && ttl <= 86_400_000)) {
        return yield* wrong("ttl", "must be a duration from 10 milliseconds to 1 day")
      }
      if (!(grace >= 0 && grace < Infinity)) return yield* wrong("grace", "must be a finite duration of 0 or more")
      if (!isWhole(limit, 1, 1_000_000)) return yield* wrong("rate", "must have a limit from 1 to 1,000,000")
      if (!(per > 0 && per < Infinity)) return yield* wrong("rate", "must be per a finite duration above 0")
      const store = yield* JobStore
      const context = yield* Effect.context<R>()
      const clock = yield* Clock.Clock
      const tally = workTally(context, this.name)
      const work: Work<A, S, E, P, R> = { store, codecs: this.codecs, handler, retry }
      const now = monotonic(clock)
      const settler = new Settler<E>({
        store,
        ttl,
        now,
        tally,
        failed: (job, cause) => failed(work, job, cause)
      }, context)
      const worker = new Worker<E, R>({
        queue: this.name,
        store,
        concurrency,
        prefetch,
        ttl,
        grace,
        now,
        rate: rate === undefined ? undefined : slidingRate(clock, limit, per),
        running: runningTally(context, this.name),
        settler,
        handle: (attempt) => handle(work, attempt),
        onLost: () => void tally.lost++
      }, context)
      yield* Effect.acquireRelease(Effect.void, () => worker.end)
      yield* Effect.forkScoped(worker.run)
      if (rate === undefined) yield* Effect.forkScoped(worker.runBeside)
    })

  readonly follow = (id: string): Stream.Stream<Event<S, E, P>, JobError, JobResults> =>
    Stream.unwrap(
      Effect.map(JobResults, (results) =>
        Stream.mapEffect(results.follow(this.name, id), (event): Effect.Effect<Event<S, E, P>> => {
          if (event._tag === "Ended") {
            return this.toEvent(id, event.outcome)
          }
          const { progress } = this.codecs
          return progress === undefined
            ? Effect.die(new Error("progress has no schema"))
            : Effect.match(progress.decode(event.value), {
              onSuccess: (value): Event<S, E, P> => ({ _tag: "Progress", value }),
              onFailure: (cause): Event<S, E, P> => ({ _tag: "Failed", error: this.failed(id, "unknown", cause) })
            })
        }))
    )

  readonly cancel = (id: string) => Effect.flatMap(JobControl, (control) => control.cancel(this.name, id))
  get pause() {
    return Effect.flatMap(JobControl, (control) => control.pause(this.name))
  }
  get resume() {
    return Effect.flatMap(JobControl, (control) => control.resume(this.name))
  }
  get stats() {
    return Effect.flatMap(JobControl, (control) => control.stats(this.name))
  }
  readonly deadLetters: WorkQueue<A, S, E, P>["deadLetters"] = (options) =>
    Effect.flatMap(JobStore, (store) => store.deadLetters(this.name, options))
  readonly redrive: WorkQueue<A, S, E, P>["redrive"] = (ids) =>
    Effect.flatMap(JobStore, (store) => store.redrive(this.name, ids))

  private add(
    payloads: ReadonlyArray<A>,
    options: EnqueueOptions | ((payload: A, index: number) => EnqueueOptions) | undefined
  ) {
    return Effect.withFiber<ReadonlyArray<Enqueued>, JobError, JobStore>((fiber) => {
      const store = Context.getUnsafe(fiber.context, JobStore)
      const trace = traceOf(fiber)
      const optionsOf = (payload: A, index: number) => typeof options === "function" ? options(payload, index) : options
      const jobs: Array<NewJob> = []
      for (const [index, payload] of payloads.entries()) {
        const own = optionsOf(payload, index)
        const bytes = this.codecs.payload.encode(payload)
        if (isDone(bytes) && Exit.isSuccess(bytes)) {
          jobs.push(toJob(bytes.value, own, trace))
          continue
        }
        // What is left waits for its codec, or cannot be encoded.
        const rest = Effect.forEach(payloads.slice(index), (payload, at) => {
          const mine = at === 0 ? own : optionsOf(payload, index + at)
          return Effect.mapBoth(at === 0 ? bytes : this.codecs.payload.encode(payload), {
            onFailure: (reason) => new InvalidJob({ field: "payload", message: `payload: ${reason}` }),
            onSuccess: (bytes) => toJob(bytes, mine, trace)
          })
        })
        return Effect.flatMap(rest, (rest) => store.enqueue(this.name, [...jobs, ...rest]))
      }
      return store.enqueue(this.name, jobs)
    })
  }

  private failed(id: string, reason: JobFailed["reason"], cause: string): JobFailed {
    return new JobFailed({ queue: this.name, id, reason, cause })
  }

  private toEvent(id: string, outcome: Outcome): Effect.Effect<Exclude<Event<S, E, P>, { readonly _tag: "Progress" }>> {
    const failed = (reason: JobFailed["reason"], cause: string) =>
      ({ _tag: "Failed", error: this.failed(id, reason, cause) }) as const
    switch (outcome._tag) {
      case "Completed": {
        const { success } = this.codecs
        // Without a schema the result is nothing, which is what S is then.
        if (success === undefined) return Effect.succeed({ _tag: "Completed", value: undefined as S })
        if (outcome.result === undefined) return Effect.succeed(failed("unknown", "its worker gave no result"))
        return Effect.match(success.decode(outcome.result), {
          onSuccess: (value) => ({ _tag: "Completed", value }) as const,
          onFailure: (reason) => failed("unknown", `its result does not decode: ${reason}`)
        })
      }
      case "Dead": {
        const { cause, error } = outcome.failure
        const codec = this.codecs.error
        if (codec === undefined || error === undefined) return Effect.succeed(failed("dead", cause))
        return Effect.match(codec.decode(error), {
          onSuccess: (error) => ({ _tag: "Failed", error }) as const,
          onFailure: () => failed("dead", cause)
        })
      }
      case "Cancelled":
        return Effect.succeed(failed("cancelled", ""))
      case "Unknown":
        return Effect.succeed(failed("unknown", ""))
    }
  }
}

const toJob = (payload: Uint8Array, options: EnqueueOptions | undefined, trace: Headers): NewJob => {
  if (options === undefined) return { payload, headers: trace }
  const { deadline, headers, ...rest } = options
  const time: Headers = deadline === undefined
    ? {}
    : { "heddle-timeout": String(Math.floor(toMillis(deadline, 0))) }
  return { ...rest, payload, headers: { ...trace, ...headers, ...time } }
}

/** Says in the type what options ask of the store; the store looks itself. */
const needing = <O>() => <X, E, R>(effect: Effect.Effect<X, E, R>): Effect.Effect<X, E, R | Needs<O>> => effect

const isWhole = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max

const wrong = (option: string, message: string) =>
  Effect.fail(new InvalidOption({ option, message: `${option} ${message}` }))

const doubling = Schedule.jittered(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("5 minutes")]))
