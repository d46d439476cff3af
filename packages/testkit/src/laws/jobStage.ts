import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type Job, JobStore } from "heddle/messaging"
import { bytes, text } from "./kvStage.ts"
import { eventually, inTime, unique } from "./Stage.ts"

export { bytes, eventually, inTime, text }

export type Jobs = JobStore.JobStore["Service"]

/** What a law works with. */
export interface JobStage {
  readonly store: Jobs
  /** For laws of stores that have it. */
  readonly control: JobStore.JobControl["Service"]
  /** For laws of stores that have it. */
  readonly results: JobStore.JobResults["Service"]
  /** A queue that nobody else uses. */
  readonly queue: string
  /** One more store from the same layer. */
  readonly another: Effect.Effect<Jobs, unknown, Scope.Scope>
  /** One more, which never looks for something because time has passed: what it is not told of it does not find. */
  readonly listening: Effect.Effect<Jobs, unknown, Scope.Scope>
}

export type JobLaw = (title: string, body: (stage: JobStage) => Effect.Effect<unknown, unknown, Scope.Scope>) => void

export const jobLawOf = <E>(layer: Layer.Layer<JobStore.JobStore, E>): JobLaw => (title, body) =>
  it.live(title, () =>
    Effect.gen(function*() {
      const build = Layer.build(Layer.fresh(layer))
      const services = yield* build
      const absent = new Proxy({}, { get: (_, step) => () => Effect.die(new Error(`the layer lacks ${String(step)}`)) })
      const optional = <I, S>(key: Context.Key<I, S>): S =>
        // A law that reaches into what is absent dies with its name.
        Option.getOrElse(Context.getOption(services, key), () => absent as S)
      yield* body({
        store: Context.get(services, JobStore.JobStore),
        control: optional(JobStore.JobControl),
        results: optional(JobStore.JobResults),
        queue: unique(),
        another: Effect.map(build, Context.get(JobStore.JobStore)),
        listening: Effect.map(
          Effect.provideService(build, Clock.Clock, yield* sleepless),
          Context.get(JobStore.JobStore)
        )
      })
    }).pipe(Effect.scoped, Effect.provideService(Metric.MetricRegistry, new Map())), { timeout: 120_000 })

/** A clock that goes, and by which nobody wakes. */
const sleepless = Effect.map(Clock.Clock, (clock): Clock.Clock => {
  const still: Clock.Clock = Object.create(clock)
  return Object.assign(still, { sleep: () => Effect.never })
})

/** Registers laws only for a store that has the ability. */
export const having = (law: JobLaw, ability: true | undefined): JobLaw => ability === undefined ? () => {} : law

/** Enqueues jobs whose payloads are texts, with what else is said of all. Answers their ids. */
export const enqueue = (
  store: Jobs,
  queue: string,
  payloads: ReadonlyArray<string>,
  options: Omit<Job.NewJob, "payload"> = {}
) =>
  Effect.map(
    store.enqueue(queue, payloads.map((payload) => ({ ...options, payload: bytes(payload) }))),
    (all) => all.map(({ id }) => id)
  )

/** Claims one job, which must come. */
export const claim = (store: Jobs, queue: string, ttl = 30_000) =>
  inTime(
    "a job is claimed",
    Effect.flatMap(store.claim(queue, { ttl, waitFor: Infinity }), ([job]) =>
      job === undefined
        ? Effect.die(new Error("a claim that waits for ever came back with nothing"))
        : Effect.succeed(job))
  )

/** Claims jobs one by one until so many have come, and completes each. Answers their payloads. */
export const complete = (store: Jobs, queue: string, count: number) =>
  Effect.gen(function*() {
    const payloads: Array<string | undefined> = []
    while (payloads.length < count) {
      const job = yield* claim(store, queue)
      payloads.push(text(job.payload))
      yield* store.settle(job, { _tag: "Completed" })
    }
    return payloads
  })

/** Sees that there is nothing to claim at present. */
export const nothing = (store: Jobs, queue: string) =>
  Effect.scoped(Effect.map(store.claim(queue, { waitFor: 0 }), (jobs) => {
    assert.deepStrictEqual(jobs.map(({ payload }) => text(payload)), [], "nothing can be claimed")
  }))

/** The tag of the error that the effect fails with. */
export const refused = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<string, A, R> => Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

export const failed = (cause: string): Job.Failure => ({ cause })
