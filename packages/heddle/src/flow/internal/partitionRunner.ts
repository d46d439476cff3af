import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { within } from "../../internal/Contended.ts"
import type { Job, Runner } from "./partitionJob.ts"
import type { Lanes } from "./partitionLanes.ts"

/**
 * A fiber that runs one item after another, and ends early when what it runs is interrupted; another one then goes on. As an effect it is
 * the item that it runs.
 */
export class Rounds<I, A, E, R> extends Effectable.Class<A, E, R> implements Runner<I, A, E> {
  job: Job<I, A, E>
  busy = true
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private readonly lanes: Lanes<I, A, E>
  private readonly handle: (item: I) => Effect.Effect<A, E, R>
  /** One item and all that follow. */
  readonly all: Effect.Effect<void, never, R> = Effect.matchCauseEffect(this, {
    onSuccess: (value) => this.end(Exit.succeed(value), "completed"),
    onFailure: (cause) => this.end(Exit.failCause(cause), "failed")
  })
  constructor(job: Job<I, A, E>, lanes: Lanes<I, A, E>, handle: (item: I) => Effect.Effect<A, E, R>) {
    super()
    this.job = job
    this.lanes = lanes
    this.handle = handle
    job.lane.runner = this
  }

  override asEffect(): Effect.Effect<A, E, R> {
    // Known before the first item runs, which may already be left by the one who brought it.
    this.fiber ??= Fiber.getCurrent()
    const { item, turn } = this.job
    turn?.entered()
    return within(turn, this.handle(item))
  }

  private end(exit: Exit.Exit<A, E>, how: "completed" | "failed"): Effect.Effect<void, never, R> {
    this.lanes.end(this.job, exit, how)
    const job = this.lanes.take()
    if (job === undefined) {
      this.busy = false
      return Effect.void
    }
    this.job = job
    job.lane.runner = this
    return this.all
  }
}
