import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Transferable from "effect/workers/Transferable"
import type * as WorkerRunner from "effect/workers/WorkerRunner"
import type { Task } from "../ThreadPool.ts"
import { type Call, type Order, type Reply, Slots } from "./threadMessages.ts"

export interface Served<R> {
  readonly task: Task<unknown, unknown, unknown>
  /** Decodes the payload and handles it. */
  readonly run: (payload: unknown) => Effect.Effect<unknown, unknown, R>
}

/** The thread's side: does one call after the other, in the order in which they came. */
export class Serving<R> {
  private readonly runner: WorkerRunner.WorkerRunner<Reply, Order>
  private readonly served: ReadonlyMap<string, Served<R>>
  private readonly fork: (effect: Effect.Effect<void, never, R>) => Fiber.Fiber<void>
  private calls: Array<Call> = []
  private slots = new Slots()
  private running: Fiber.Fiber<void> | undefined
  private stopped = false
  constructor(
    runner: WorkerRunner.WorkerRunner<Reply, Order>,
    served: ReadonlyMap<string, Served<R>>,
    context: Context.Context<R>
  ) {
    this.runner = runner
    this.served = served
    this.fork = Effect.runForkWith(context)
  }

  take(order: Order): void {
    if (order instanceof SharedArrayBuffer) {
      this.slots = new Slots(order)
      this.runner.sendUnsafe(0, [0, "value", undefined])
      return
    }
    for (const call of order) this.calls.push(call)
    if (this.running === undefined) this.go()
  }

  /** Begins nothing more, and ends what runs. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.stopped = true
    return this.running === undefined ? Effect.void : Fiber.interrupt(this.running)
  })

  private go(): void {
    for (let at = 0; at < this.calls.length; at++) {
      const call = this.calls[at]
      if (this.stopped || call === undefined || !this.slots.begin(call[0])) continue
      const fiber = this.fork(this.answer(call))
      if (fiber.pollUnsafe() !== undefined) continue
      this.calls = this.calls.slice(at + 1)
      this.running = fiber
      // It may have stopped the thread in its first step.
      if (this.stopped) fiber.interruptUnsafe()
      fiber.addObserver(() => {
        this.running = undefined
        this.go()
      })
      return
    }
    this.calls = []
  }

  private answer([id, name, payload]: Call): Effect.Effect<void, never, R> {
    const served = this.served.get(name)
    if (served === undefined) return this.send([id, "defect", `the thread serves no task of the name ${name}`], [])
    const { run, task } = served
    const collector = Transferable.makeCollectorUnsafe()
    const encoded = (schema: Schema.Codec<unknown, unknown>, how: "value" | "failure", value: unknown) =>
      Effect.map(Schema.encodeEffect(schema)(value), (what): Reply => [id, how, what])
    return Effect.exit(run(payload)).pipe(
      Effect.flatMap((exit) => {
        if (Exit.isSuccess(exit)) return encoded(task.success, "value", exit.value)
        const [reason] = exit.cause.reasons
        return reason?._tag === "Fail" && !Schema.isSchemaError(reason.error)
          ? encoded(task.error, "failure", reason.error)
          : Effect.succeed<Reply>([id, "defect", Cause.pretty(exit.cause)])
      }),
      Effect.catchCause((cause) => Effect.succeed<Reply>([id, "defect", Cause.pretty(cause)])),
      Effect.provideService(Transferable.Collector, collector),
      Effect.flatMap((reply) => this.send(reply, collector.readUnsafe()))
    )
  }

  private send(reply: Reply, transfers: ReadonlyArray<unknown>): Effect.Effect<void> {
    return Effect.catchCause(
      this.runner.send(0, reply, transfers),
      (cause) => this.runner.send(0, [reply[0], "defect", `the result could not be sent: ${Cause.pretty(cause)}`])
    )
  }
}
