import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { monotonic } from "../../internal/monotonic.ts"
import { family } from "./flowMetrics.ts"
import type { Inlet } from "./pipelineOutlet.ts"
import { type Count, type Spec, Stage } from "./pipelineStage.ts"

const metrics = family<Count>("pipeline", {
  depth: "Items that wait before a stage",
  active: "Items that a stage works on, or that are done and wait for those before them",
  completed: "Items that a stage has let go on",
  failed: "Items that failed in a stage",
  dropped: "Items that were inside a stage when the pipeline was stopped"
}, "How long a stage worked on an item, with all its attempts")

/** What a run asks of a stage, whatever its items are. */
interface AnyStage<out R> {
  readonly spec: { readonly name: string; readonly concurrency: number }
  readonly counted: Stage<unknown, unknown, unknown, unknown, unknown>["counted"]
  readonly waiting: number
  readonly eased: () => void
  readonly worker: Effect.Effect<void, never, R>
  readonly watch: (worker: Fiber.Fiber<void>) => void
  readonly close: () => void
}

/** Where stages are put together, the last one first. */
export interface Wiring<in R> {
  readonly add: <A, B, F, E>(spec: Spec<A, B, F, E, R>, next: Inlet<B, E>) => Inlet<A, E>
}

/** The stages of one run, from the first to the last, and the fiber that brings the items. */
export class PipelineRun<in out R> implements Wiring<R> {
  readonly stages: Array<AnyStage<R>> = []
  private readonly context: Context.Context<never>
  private readonly name: string | undefined
  private readonly now: () => number
  private readonly fibers: Array<Fiber.Fiber<void, unknown>> = []
  private source: Fiber.Fiber<void, unknown> | undefined
  private halted = false

  constructor(context: Context.Context<never>, clock: Clock.Clock, name: string | undefined) {
    this.context = context
    this.now = monotonic(clock)
    this.name = name
  }

  /** A stage before those that are there. */
  add<A, B, F, E>(spec: Spec<A, B, F, E, R>, next: Inlet<B, E>): Inlet<A, E> {
    const { counts, latency } = metrics.of(this.context, { name: this.name, stage: spec.name })
    const around = { now: this.now, counts, took: latency?.took, haltBefore: (stage: object) => this.haltBefore(stage) }
    const stage = new Stage(spec, next, around)
    this.stages.unshift(stage)
    return stage
  }

  /** Starts the workers, then takes from the source as there is room. */
  start<A, E, R2>(
    source: Stream.Stream<A, E, R2>,
    first: Inlet<A, E>,
    scope: Scope.Scope
  ): Effect.Effect<void, never, R | R2> {
    const pump = Effect.suspend(() =>
      this.halted ? Effect.void : Stream.runForEachArray(source, (items) => pour(items.values(), first))
    )
    return Effect.gen({ self: this }, function*() {
      for (const stage of this.stages) {
        for (let worker = 0; worker < stage.spec.concurrency; worker++) {
          const fiber = yield* Effect.forkIn(stage.worker, scope)
          this.fibers.push(fiber)
          stage.watch(fiber)
        }
      }
      const fiber = yield* Effect.forkIn(pump, scope)
      this.fibers.push(fiber)
      this.source = fiber
      fiber.addObserver((exit) => first.end(Exit.isSuccess(exit) ? undefined : exit.cause))
    })
  }

  /** Nothing is taken or worked on any more. What is inside is dropped. */
  close(): void {
    this.haltBefore(undefined)
  }

  /** As `close`, and all finalizers have run when it is over. */
  readonly stop: Effect.Effect<void> = Effect.suspend(() => {
    this.close()
    return Effect.asVoid(Fiber.awaitAll(this.fibers))
  })

  private haltBefore(stop: object | undefined): void {
    this.halted = true
    for (const stage of this.stages) {
      if (stage === stop) break
      stage.close()
    }
    this.source?.interruptUnsafe()
  }
}

const pour = <A, E>(items: Iterator<A>, into: Inlet<A, E>): Effect.Effect<void> =>
  Effect.suspend(() => {
    while (!into.full) {
      const next = items.next()
      if (next.done === true) return Effect.void
      into.push(next.value)
    }
    return Effect.andThen(into.room, pour(items, into))
  })
