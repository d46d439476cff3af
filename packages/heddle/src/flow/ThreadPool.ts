/**
 * Runs tasks that compute without a pause on worker threads, typed by Schema.
 *
 * A fiber that computes for a second keeps all other fibers of its process waiting for a second, and cannot be interrupted meanwhile. On
 * a thread it does neither: an interrupted task ends with its thread, and another thread takes its place.
 *
 * **When to use**
 *
 * For work that computes for a tenth of a millisecond or more: parsing, hashing, images, compression. What waits for others belongs in a
 * `WorkerPool`: it needs no thread. To call services that live on a thread, with streams of answers, Effect's RPC over workers is right.
 *
 * **Details**
 *
 * A thread does one task after the other. Payloads, results and failures are encoded by their schemas and cloned; what a
 * `Transferable` schema of `effect/workers` marks is moved. Each thread is sent one task ahead, and up to 15 where tasks take less than
 * 1 ms; what it has not begun is taken back for a thread that has nothing to do. A task begins once or not at all. The memory of a thread is limited where it is made, by
 * `resourceLimits`; one that exceeds it fails its task with `ThreadCrashed`, and the pool goes on with a new one.
 *
 * **Gotchas**
 *
 * A thread that is ended runs no finalizers. To start one takes some tens of milliseconds.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Transferable from "effect/workers/Transferable"
import type * as Worker from "effect/workers/Worker"
import type { WorkerError } from "effect/workers/WorkerError"
import * as WorkerRunner from "effect/workers/WorkerRunner"
import { CurrentObserver, observedApart } from "../internal/Contended.ts"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { checkCount, checkMillis } from "./internal/options.ts"
import { poolMetrics } from "./internal/poolMetrics.ts"
import { checkOptions } from "./internal/poolOptions.ts"
import { TaskPool } from "./internal/TaskPool.ts"
import { type Answer, ThreadJob } from "./internal/thread.ts"
import type { Order, Reply } from "./internal/threadMessages.ts"
import { Threads } from "./internal/threads.ts"
import { type Served, Serving } from "./internal/threadServe.ts"
import type { PoolClosed, PoolFull, TaskTimeout } from "./PoolError.ts"
import type * as WorkerPool from "./WorkerPool.ts"

/**
 * What goes to a thread and what comes back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Task<out Payload, out Success, out Failure> {
  readonly payload: Schema.Codec<Payload, unknown>
  readonly success: Schema.Codec<Success, unknown>
  readonly error: Schema.Codec<Failure, unknown>
}

/**
 * Tasks by their names. Main and thread import the same group.
 *
 * @category models
 * @since 0.1.0
 */
export type Tasks = Readonly<Record<string, Task<unknown, unknown, unknown>>>

/**
 * Does the tasks of a group, on the thread.
 *
 * @category models
 * @since 0.1.0
 */
export type Handlers<T extends Tasks, R> = {
  readonly [Name in keyof T]: (
    payload: T[Name]["payload"]["Type"]
  ) => Effect.Effect<T[Name]["success"]["Type"], T[Name]["error"]["Type"], R>
}

/**
 * What a pool is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many threads: 1 to 1,024. As many as there are processors is a good number. */
  readonly size: number
  /** How many tasks stand in the queue at most: 0 or more. Default 1,000. */
  readonly queue?: number | undefined
  /** What becomes of a task when the queue is full. Default `"wait"`. */
  readonly whenFull?: WorkerPool.WhenFull | undefined
  /** After how many tasks a thread is replaced by a new one. Default `Infinity`: never. */
  readonly recycleAfter?: number | undefined
  /** How long the end of the scope lets tasks finish. Default 30 seconds; `Infinity` waits until all have ended. */
  readonly drainFor?: Duration.Input | undefined
  /** Its name in errors, logs and metrics, where there should be few of them. Default: `ThreadPool`, and no label. */
  readonly name?: string | undefined
}

/**
 * What a pool is at a moment. `size` is how many threads there shall be, `active` are tasks that a thread was sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats extends WorkerPool.Stats {
  /** How many threads are ready. */
  readonly ready: number
  /** How many have ended and were replaced, but for those that were too many. */
  readonly restarted: number
}

/**
 * The thread ended before the task had. If it had started, see what it did before you bring it again; if it needs more memory than its
 * thread may have, it will happen again.
 *
 * @category errors
 * @since 0.1.0
 */
export class ThreadCrashed extends Schema.TaggedError<ThreadCrashed>()("ThreadCrashed", {
  pool: Schema.String,
  task: Schema.String,
  /** Whether the task had started. */
  started: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return this.started
      ? `a thread of ${this.pool} ended while it did ${this.task}: see what it did before you bring it again`
      : `no thread of ${this.pool} came up to do ${this.task}: see in the cause why`
  }
}

/**
 * The payload cannot be sent to a thread: it does not fit its schema, or what the schema encodes it to cannot be cloned. It was not run.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotSendable extends Schema.TaggedError<NotSendable>()("NotSendable", {
  pool: Schema.String,
  task: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `the payload of ${this.task} cannot be sent to a thread of ${this.pool}: correct it, or its schema`
  }
}

/**
 * Why a task came to no result of its own.
 *
 * @category errors
 * @since 0.1.0
 */
export type Refusal = PoolFull | PoolClosed | ThreadCrashed | NotSendable

/**
 * Threads that take tasks of a group.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThreadPool<T extends Tasks> {
  /**
   * Runs a task on a thread when it is its turn, and answers with what it comes to. A defect on the thread is one here, as an error with
   * its text.
   *
   * **Interruption**
   *
   * A task that waits leaves its line at once, also one that a thread was sent and has not begun. The thread of one that runs is ended and
   * replaced; the interruption is over when the thread has ended.
   */
  readonly submit: {
    <Name extends keyof T & string>(
      task: Name,
      payload: T[Name]["payload"]["Type"],
      options?: { readonly priority?: WorkerPool.Priority | undefined; readonly deadline?: undefined }
    ): Effect.Effect<T[Name]["success"]["Type"], T[Name]["error"]["Type"] | Refusal>
    <Name extends keyof T & string>(
      task: Name,
      payload: T[Name]["payload"]["Type"],
      options: WorkerPool.TaskOptions
    ): Effect.Effect<T[Name]["success"]["Type"], T[Name]["error"]["Type"] | Refusal | TaskTimeout>
  }
  /**
   * Sets how many threads there are, 1 to 1,024. More come up beside those that are there. Of fewer, those that are too many do what they
   * have begun, and end; what else they were sent goes to others. It waits for neither. A pool that is shut down stays as it is.
   */
  readonly resize: (size: number) => Effect.Effect<void, InvalidOption>
  /** Starts no more tasks. Those that run go on, and those that come are queued. */
  readonly pause: Effect.Effect<void>
  /** Ends a pause. */
  readonly resume: Effect.Effect<void>
  /**
   * Waits for a moment in which nothing runs and nothing waits.
   *
   * **Interruption**
   *
   * Stops waiting.
   */
  readonly drain: Effect.Effect<void>
  /** What it is now. */
  readonly stats: Effect.Effect<Stats>
  /**
   * What happens to it from now on, until it is closed; sizes are numbers of threads. Who reads too slowly misses the oldest of more
   * than 64.
   */
  readonly changes: Stream.Stream<WorkerPool.Change>
  /**
   * Takes nothing more, and waits until all that was accepted has ended. When `within` is over it refuses what is queued, ends the threads
   * of what runs, and reports. Default: `drainFor`. The end of the scope does the same, and ends all threads.
   *
   * **Interruption**
   *
   * Stops waiting. The pool stays closed, and what it had accepted goes on until the scope ends.
   */
  readonly shutdown: (within?: Duration.Input) => Effect.Effect<WorkerPool.Report, InvalidOption>
}

/**
 * Describes a task. Without a schema, a result is `void`, and there is no failure.
 *
 * @category constructors
 * @since 0.1.0
 */
export function task<Payload, Success = void, Failure = never>(schemas: {
  readonly payload: Schema.Codec<Payload, unknown>
  readonly success?: Schema.Codec<Success, unknown> | undefined
  readonly error?: Schema.Codec<Failure, unknown> | undefined
}): Task<Payload, Success, Failure>
export function task({ error = Schema.Never, payload, success = Schema.Void }: {
  readonly payload: Schema.Codec<unknown, unknown>
  readonly success?: Schema.Codec<unknown, unknown> | undefined
  readonly error?: Schema.Codec<unknown, unknown> | undefined
}): Task<unknown, unknown, unknown> {
  return { payload, success, error }
}

/**
 * The thread's side: does the tasks that main submits, one after the other, until main ends it. It is the program of the file that a
 * thread runs, on the platform's runner, such as `NodeWorkerRunner.layer`.
 *
 * **Interruption**
 *
 * Ends the thread's work.
 *
 * @category threads
 * @since 0.1.0
 */
export const serve = <T extends Tasks, R = never>(
  tasks: T,
  handlers: Handlers<T, R>
): Effect.Effect<void, WorkerError, R | WorkerRunner.WorkerRunnerPlatform> =>
  Effect.gen(function*() {
    const platform = yield* WorkerRunner.WorkerRunnerPlatform
    const runner = yield* platform.start<Reply, Order>()
    const context = yield* Effect.context<R>()
    const served = new Map<string, Served<R>>()
    const add = <Name extends keyof T>(name: Name, task: T[Name]) => {
      const decode = Schema.decodeUnknownEffect(task.payload)
      served.set(String(name), { task, run: (payload) => Effect.flatMap(decode(payload), handlers[name]) })
    }
    for (const name in tasks) {
      const task = tasks[name]
      if (task !== undefined) add(name, task)
    }
    const serving = new Serving<R>(runner, served, context)
    yield* Effect.ensuring(runner.run<void, never, never>((_, order) => serving.take(order)), serving.stop)
  })

/**
 * A pool of threads that are made by the platform's spawner, such as `NodeWorker.layer(() => new Worker(file))`, until the scope ends.
 * Waits until they have come up; one that does not is tried again with the next task.
 *
 * **Example** (Two threads)
 *
 * `fib.ts` is what both sides know, `thread.ts` what a thread runs; `examples/18-thread-pool` runs it.
 *
 * ```text
 * export const tasks = { fib: ThreadPool.task({ payload: Schema.Int, success: Schema.Int }) }
 *
 * NodeRuntime.runMain(
 *   ThreadPool.serve(tasks, { fib: (n) => Effect.sync(() => fib(n)) }).pipe(Effect.provide(NodeWorkerRunner.layer))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const pool = yield* ThreadPool.make(tasks, { size: 2 })
 *   return yield* pool.submit("fib", 30)
 * }).pipe(Effect.scoped, Effect.provide(NodeWorker.layer(() => new Worker(new URL("thread.ts", import.meta.url)))))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <T extends Tasks>(
  tasks: T,
  options: Options
): Effect.Effect<ThreadPool<T>, InvalidOption, Scope.Scope | Worker.WorkerPlatform | Worker.Spawner> =>
  Effect.gen(function*() {
    const { name, recycleAfter = Infinity, size } = options
    const checked = checkOptions(options)
    if (checked instanceof InvalidOption) return yield* checked
    const wrong = checkCount("recycleAfter", recycleAfter) ?? checkThreads(size)
    if (wrong !== undefined) return yield* wrong
    const context = yield* Effect.context<Scope.Scope | Worker.WorkerPlatform | Worker.Spawner>()
    const label = name ?? "ThreadPool"
    const metrics = metricsOf(context, name)
    const changes = yield* PubSub.sliding<WorkerPool.Change>(64)
    const pool = new TaskPool({ ...checked, name: label, context, metrics, changes })
    const observer = Context.get(context, CurrentObserver)
    const contended = { kind: "thread pool", name: label, title: label, owner: pool, key: label }
    const threadScope = yield* Scope.fork(yield* Scope.Scope)
    const holds = () => pool.hold(threads.room)
    const threads: Threads = new Threads({ size, recycleAfter, context, scope: threadScope, holds })
    yield* Effect.addFinalizer(() =>
      Effect.andThen(pool.shutdown(checked.drainFor), Effect.sync(() => threads.close()))
    )
    holds()
    yield* threads.start
    const run = (name: string, payload: unknown): Effect.Effect<unknown, unknown> => {
      const task = tasks[name]
      if (task === undefined) return Effect.die(new Error(`${label} has no task of the name ${name}`))
      const collector = Transferable.makeCollectorUnsafe()
      return Effect.matchEffect(
        Effect.provideService(Schema.encodeEffect(task.payload)(payload), Transferable.Collector, collector),
        {
          onFailure: (cause) => Effect.fail(new NotSendable({ pool: label, task: name, cause })),
          onSuccess: (encoded) =>
            Effect.flatMap(sent(threads, name, encoded, collector.readUnsafe()), (answer) => {
              const [, how, what] = answer
              if (how === "value") return Effect.orDie(Schema.decodeUnknownEffect(task.success)(what))
              if (how === "failure") {
                return Effect.flatMap(Effect.orDie(Schema.decodeUnknownEffect(task.error)(what)), Effect.fail)
              }
              if (how === "defect") return Effect.die(new Error(String(what)))
              return how === "unsendable"
                ? Effect.fail(new NotSendable({ pool: label, task: name, cause: what }))
                : Effect.fail(new ThreadCrashed({ pool: label, task: name, started: how === "crashed", cause: what }))
            })
        }
      )
    }
    return {
      submit: (name: string, payload: unknown, { deadline = Infinity, priority = 5 }: WorkerPool.TaskOptions = {}) => {
        const millis = checkMillis("deadline", deadline)
        const how = { priority, deadline: millis instanceof InvalidOption ? 0 : millis }
        const work = run(name, payload)
        return observer === undefined
          ? pool.submit(work, how)
          : observedApart(observer, contended, work, (work) => pool.submit(work, how))
      },
      resize: (size: number) =>
        Effect.suspend(() => {
          const wrong = checkThreads(size)
          if (wrong !== undefined) return Effect.fail(wrong)
          const { size: from } = threads
          const { closed, queued, waiting } = pool.stats
          if (closed || size === from) return Effect.void
          threads.resize(size)
          const pending = queued + waiting
          pool.publish({ _tag: "Resized", from, to: size, pending, utilisation: undefined })
          return Effect.void
        }),
      pause: Effect.sync(() => pool.pause()),
      resume: Effect.sync(() => pool.resume()),
      drain: pool.drain,
      stats: Effect.sync(() => {
        return { ...pool.stats, size: threads.size, ready: threads.ready, restarted: threads.restarted }
      }),
      changes: Stream.takeUntil(Stream.fromPubSub(changes), (change) => change._tag === "Closed"),
      shutdown: (within?: Duration.Input) => {
        const millis = within === undefined ? checked.drainFor : checkMillis("within", within)
        return millis instanceof InvalidOption ? Effect.fail(millis) : pool.shutdown(millis)
      }
    }
  })

/** Waits for what a thread comes to. */
const sent = (
  threads: Threads,
  name: string,
  payload: unknown,
  transfers: ReadonlyArray<unknown>
): Effect.Effect<Answer> =>
  Effect.callback<Answer>((resume) => {
    const job = new ThreadJob(name, payload, transfers, (answer) => resume(Effect.succeed(answer)))
    threads.add(job)
    return threads.cancel(job)
  })

const checkThreads = (size: number): InvalidOption | undefined =>
  Number.isInteger(size) && size >= 1 && size <= 1024
    ? undefined
    : new InvalidOption({ option: "size", message: "size must be a whole number from 1 to 1,024" })

const metricsOf = poolMetrics("thread_pool")
