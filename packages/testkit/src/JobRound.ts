/**
 * Has many jobs done by worker processes, of which some are killed, and accounts for each job.
 *
 * Every job that was enqueued has to be completed, or dead where it is one that always fails; none may be left, and none completed twice.
 * The workers note what they do in a file before they go on, so that what a killed one has done is known.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { JobStore } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { Dice } from "./chaos/Dice.ts"
import { account } from "./internal/jobAccount.ts"
import { Reader } from "./internal/jobLedger.ts"
import * as JobWorkerProcess from "./internal/jobWorkerProcess.ts"
import * as TempFolder from "./internal/TempFolder.ts"
import type { Spec } from "./internal/WorkerProcess.ts"
import { queueOf, type Work } from "./JobWorker.ts"
import type { ServerError } from "./Server.ts"

/**
 * Where the jobs are, and how to start a process that calls `JobWorker.main` on them.
 *
 * @category models
 * @since 0.1.0
 */
export interface World {
  readonly layer: Layer.Layer<JobStore.All, unknown>
  readonly worker: Spec
  /** Kills the server and starts it again with its data. */
  readonly restart: Effect.Effect<void, ServerError>
}

/**
 * What is to be tested: its world is built anew for each round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly name: string
  readonly start: Effect.Effect<World, ServerError, Scope.Scope>
}

/**
 * How much is done, and how much of it is harmed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly jobs: number
  /** How many processes work at once. Default 4. */
  readonly workers?: number | undefined
  /** How many of them are killed; another one comes for each. Default 0. */
  readonly kills?: number | undefined
  /** How often the server is killed and started again. Default 0. */
  readonly restarts?: number | undefined
  readonly seed: number
  /** Is told how it goes on. Default: nobody. */
  readonly tell?: ((line: string) => void) | undefined
}

/**
 * What became of the jobs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly enqueued: number
  /** Whose completion was accepted, and its worker heard so. */
  readonly completed: number
  /** Completed, as the store tells, but the worker has not heard so: it was killed, or the server, or it was busy. */
  readonly unheard: number
  readonly dead: number
  /** How often a handler began: more than there are jobs, because of those that fail and those that were begun again. */
  readonly begun: number
  readonly killed: number
  readonly restarts: number
  readonly millis: number
  readonly violations: ReadonlyArray<string>
}

/** Every so many-th job fails in each of its attempts. */
const failing = 500
const ttl = 2000

/**
 * Runs a round.
 *
 * **Interruption**
 *
 * Kills the workers and stops the server.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (subject: Subject, options: Options): Effect.Effect<Report, ServerError> =>
  Effect.scoped(Effect.gen(function*() {
    const { jobs, kills = 0, restarts = 0, seed, tell = () => {}, workers: size = 4 } = options
    const dice = new Dice(seed, subject.name)
    const { layer, restart, worker: spec } = yield* subject.start
    const services = yield* Effect.orDie(Layer.build(layer))
    const ledger = join(yield* TempFolder.make("jobs"), "ledger")
    const notes = yield* Effect.acquireRelease(
      Effect.sync(() => new Reader(ledger)),
      (notes) => Effect.sync(() => notes.close())
    )
    const queue = queueOf(`round-${randomUUID()}`)
    const killed = new Set<number>()
    const started = performance.now()
    tell(`${subject.name}: ${jobs} jobs, ${size} workers, ${kills} kills, ${restarts} restarts, seed ${seed}`)

    const order = { queue: queue.name, ledger, concurrency: 16, ttl, grace: 10_000 }
    const names = yield* Ref.make(0)
    // Every other one claims ahead.
    const hire = Effect.flatMap(
      Ref.updateAndGet(names, (n) => n + 1),
      (worker) => JobWorkerProcess.start(spec, { ...order, worker, prefetch: worker % 2 * 32 })
    )
    const crew = yield* Effect.all(Array.from({ length: size }, () => hire), { concurrency: "unbounded" })

    const hiring: Array<Fiber.Fiber<void>> = []

    const done = () => {
      notes.look()
      return notes.completed
    }
    const reached = (count: number) =>
      Effect.repeat(Effect.sync(() => done() >= count), { until: (yes) => yes, schedule: Schedule.spaced(20) })

    const kill = Effect.gen(function*() {
      yield* Effect.repeat(Effect.sync(() => crew.length > 1), { until: (yes) => yes, schedule: Schedule.spaced(20) })
      const [victim] = crew.splice(dice.between(0, crew.length - 1), 1)
      if (victim === undefined) return
      killed.add(victim.worker)
      yield* victim.kill
      tell(`  worker ${victim.worker} was killed after ${done()} jobs`)
      hiring.push(yield* Effect.forkScoped(Effect.map(hire, (worker) => void crew.push(worker))))
    })
    const outage = Effect.andThen(
      restart,
      Effect.sync(() => tell(`  the server was killed and started again after ${done()} jobs`))
    )
    const blows = [...times(kills, kill), ...times(restarts, outage)]
      .map((blow) => ({ blow, at: Math.floor(jobs * dice.between(5, 80) / 100) }))
      .toSorted((one, other) => one.at - other.at)
    const harming = yield* Effect.forkChild(
      Effect.forEach(blows, ({ at, blow }) => Effect.andThen(reached(at), blow), { discard: true })
    )

    const works = Array.from(
      { length: jobs },
      (_, n): Work => n % failing === 7 ? { _tag: "Fail" } : { _tag: "Sleep", millis: dice.between(1, 60) }
    )
    for (let from = 0; from < jobs; from += 500) {
      yield* queue.enqueueAll(works.slice(from, from + 500), (work, at) => ({
        id: `${work._tag}-${from + at}`,
        keep: Duration.hours(1),
        ...(work._tag === "Fail" ? { maxAttempts: 2 } : {})
      })).pipe(untilHeard, Effect.provide(services))
    }
    yield* Fiber.join(harming)
    yield* Effect.forEach(hiring, Fiber.join)

    // The last ones of a killed worker come back when its claims have run out. What is left after ten minutes is left.
    const rest = queue.stats.pipe(
      untilHeard,
      Effect.repeat({
        until: ({ claimed, delayed, waiting }) => claimed + delayed + waiting === 0,
        schedule: Schedule.spaced(50)
      }),
      Effect.timeoutOption("10 minutes"),
      Effect.andThen(untilHeard(queue.stats)),
      Effect.provide(services)
    )
    const { claimed, delayed, waiting } = yield* rest
    const codes = yield* Effect.forEach(crew, ({ end }) => end, { concurrency: "unbounded" })
    notes.look()
    const letters = yield* Effect.provide(untilHeard(queue.deadLetters({ limit: 1000 })), services)
    const accounts = account({
      ids: works.map(({ _tag }, n) => `${_tag}-${n}`),
      notes: notes.notes,
      dead: new Map(letters.map(({ attempts, id }) => [id, attempts])),
      killed,
      isOutage: restarts > 0
    })
    // What nobody heard of is known to the store, for as long as the ids are kept.
    const { outcome } = yield* Effect.provide(JobStore.JobResults, services)
    const lost = yield* Effect.filter(
      accounts.unheard,
      (id) => Effect.map(untilHeard(outcome(queue.name, id)), ({ _tag }) => _tag !== "Completed")
    )
    return {
      ...accounts,
      unheard: accounts.unheard.length,
      enqueued: jobs,
      killed: killed.size,
      restarts,
      millis: Math.round(performance.now() - started),
      violations: [
        ...accounts.violations,
        ...lost.map((id) => `${id}: is gone, and the store knows nothing of a completion`),
        ...(claimed + delayed + waiting === 0 ? [] : [`left: ${waiting} wait, ${delayed} delayed, ${claimed} claimed`]),
        ...codes.flatMap((code) => code === 0 ? [] : [`a worker that was told to end ended with ${code}`])
      ]
    }
  }))

const times = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)

/** Asks until there is an answer: jobs have ids, so that asking twice adds nothing. */
const untilHeard = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.orDie(Effect.retry(effect, {
    while: ({ _tag }) => _tag === "StoreUnavailable",
    schedule: Schedule.spaced(100)
  }))

/**
 * A report in one line.
 *
 * @category running
 * @since 0.1.0
 */
export const describe = (name: string, report: Report): string =>
  `${name}: ${report.enqueued} enqueued = ${report.completed} completed + ${report.unheard} completed unheard`
  + ` + ${report.dead} dead; ${report.begun} begun, ${report.killed} workers killed, ${report.restarts} restarts,`
  + ` ${(report.millis / 1000).toFixed(1)} s, ${report.violations.length} violations`
