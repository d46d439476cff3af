import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** A fiber that has begun and not ended. It is not kept alive by being watched. */
export interface Watched {
  readonly id: number
  readonly fiber: WeakRef<AnyFiber>
  /** The fiber that started it, where one did under the watch. */
  readonly parent: number | undefined
  /** When it took its first step, and when it last went on: by the clock of the watch. */
  readonly began: number
  wentOn: number
}

/**
 * A scheduler that knows every fiber that takes a step under it.
 *
 * It asks for each step of each fiber whether it is the first since the fiber was last resumed, and looks the fiber up only then.
 * Who started a fiber is told by who runs while it is made, or while its start is scheduled: `starter` is that of the next fiber
 * that is new.
 */
export class FiberWatch implements Scheduler.Scheduler {
  readonly executionMode: "sync" | "async"
  private readonly inner: Scheduler.Scheduler
  private readonly now: () => number
  private readonly fibers = new Map<number, Watched>()
  private starter: AnyFiber | undefined
  constructor(inner: Scheduler.Scheduler, now: () => number) {
    this.executionMode = inner.executionMode
    this.inner = inner
    this.now = now
  }

  shouldYield(fiber: AnyFiber): boolean {
    if (fiber.currentOpCount === 1) this.goesOn(fiber)
    return this.inner.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const inner = this.inner.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        const starter = Fiber.getCurrent()
        inner.scheduleTask(() => {
          this.starter = starter
          task()
        }, priority)
      },
      flush: () => inner.flush()
    }
  }

  /** Those that live, the oldest first. What was collected as garbage is forgotten. */
  get living(): ReadonlyArray<Watched> {
    const living: Array<Watched> = []
    for (const watched of this.fibers.values()) {
      if (watched.fiber.deref() === undefined) this.fibers.delete(watched.id)
      else living.push(watched)
    }
    return living.sort((one, other) => one.id - other.id)
  }

  /** Runs an effect, and every fiber that comes of it, under the watch. */
  over<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.withFiber((fiber) =>
      effect.pipe(
        Effect.provideService(Metric.FiberRuntimeMetrics, this.starts(fiber.getRef(Metric.FiberRuntimeMetrics))),
        Effect.provideService(Scheduler.Scheduler, this)
      )
    )
  }

  /** Told of each fiber that is made, while the one that makes it runs. */
  starts(outer: Metric.FiberRuntimeMetricsService | undefined): Metric.FiberRuntimeMetricsService {
    return {
      recordFiberStart: (context) => {
        this.starter = Fiber.getCurrent()
        outer?.recordFiberStart(context)
      },
      recordFiberEnd: (context, exit) => outer?.recordFiberEnd(context, exit)
    }
  }

  private goesOn(fiber: AnyFiber): void {
    const watched = this.fibers.get(fiber.id)
    const now = this.now()
    if (watched !== undefined) {
      watched.wentOn = now
      return
    }
    const { starter } = this
    // A parent is older: anything else is who started another.
    const parent = starter !== undefined && starter.id < fiber.id ? starter.id : undefined
    this.fibers.set(fiber.id, { id: fiber.id, fiber: new WeakRef(fiber), parent, began: now, wentOn: now })
    fiber.addObserver(() => {
      this.fibers.delete(fiber.id)
    })
  }
}
