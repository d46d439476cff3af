/**
 * A small program for a child process that works on jobs and notes in a file what it does: laws about workers that are killed, blocked
 * or stopped are made of it.
 *
 * A backend's test has a module of a few lines that calls `main` with its layer, and names it where it asks for laws.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { JobStore, WorkQueue } from "heddle/messaging"
import * as Ledger from "./internal/jobLedger.ts"
import { Order } from "./internal/jobWorkerProtocol.ts"

/**
 * What a job asks of its worker: to sleep, to keep the thread busy in its first attempt, to fail in each, or to add.
 *
 * @category models
 * @since 0.1.0
 */
export const Work = Schema.TaggedUnion({
  Sleep: { millis: Schema.Int },
  Block: { millis: Schema.Int },
  Fail: {},
  Sum: { a: Schema.Int, b: Schema.Int }
})

/**
 * A job for the workers.
 *
 * @category models
 * @since 0.1.0
 */
export type Work = typeof Work.Type

/**
 * The queue of that name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const queueOf = (name: string): WorkQueue.WorkQueue<Work, number, string, never> =>
  WorkQueue.make({ name, payload: Work, success: Schema.Int, error: Schema.String })

/**
 * Works on the queue that its last argument names until stdin ends, then hands back what it cannot finish, and ends by itself: a
 * handle that the layer leaves open keeps it alive.
 *
 * @category running
 * @since 0.1.0
 */
export const main = <E>(layer: Layer.Layer<JobStore.JobStore, E>): Promise<void> => {
  const order = Schema.decodeSync(Order)(process.argv.at(-1) ?? "")
  const ledger = Ledger.open(order.ledger, order.worker)
  const noting = Layer.effect(JobStore.JobStore, Effect.map(JobStore.JobStore, (store) => noted(store, ledger)))
  return Effect.runPromise(Effect.provide(Effect.scoped(program(order, ledger)), Layer.provide(noting, layer)))
}

type Writer = ReturnType<typeof Ledger.open>

const program = ({ concurrency, grace, prefetch, queue, ttl }: Order, ledger: Writer) =>
  Effect.gen(function*() {
    yield* queueOf(queue).process((work, task) =>
      Effect.onExit(
        Effect.andThen(Effect.sync(() => ledger.write("began", task)), perform(work, task, ledger)),
        () => Effect.sync(() => ledger.write("left", task))
      ), { concurrency, prefetch, ttl, grace, retry: Schedule.spaced(Duration.millis(1)) })
    process.stdout.write("ready\n")
    yield* Effect.callback<void>((resume) => {
      process.stdin.once("end", () => resume(Effect.void)).resume()
    })
  })

const perform = (work: Work, task: WorkQueue.Task<never>, ledger: Writer): Effect.Effect<number, string> => {
  switch (work._tag) {
    case "Sleep":
      return Effect.as(Effect.sleep(work.millis), 0)
    case "Fail":
      return Effect.fail(`it failed in attempt ${task.attempt}`)
    case "Sum":
      return Effect.succeed(work.a + work.b)
    case "Block":
      return task.attempt > 1 ? Effect.succeed(0) : Effect.gen(function*() {
        yield* Effect.sync(() => {
          const end = performance.now() + work.millis
          while (performance.now() < end);
        })
        yield* Effect.sync(() => ledger.write("after", task))
        return 0
      })
  }
}

/** Notes what the store has made of each end. */
const noted = (store: JobStore.JobStore["Service"], ledger: Writer): JobStore.JobStore["Service"] => ({
  ...store,
  settleAll: (ends) =>
    Effect.tap(store.settleAll(ends), (all) =>
      Effect.sync(() =>
        all.forEach((settled, at) => {
          const job = ends[at]?.job
          if (job === undefined) return
          const word = typeof settled === "string" ? settled : settled._tag === "LeaseLost" ? "refused" : "unheard"
          ledger.write(word, job)
        })
      ))
})
