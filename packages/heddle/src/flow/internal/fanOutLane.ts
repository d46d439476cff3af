import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Lanes, Work } from "./fanOutLanes.ts"

/** An item that is worked on. A lane has one of them, for one item after another: nothing is made for each. */
export class Begun<A> {
  index: number
  item: A
  /** When it was begun, in seconds: kept where somebody measures how long it takes. */
  since = 0
  constructor(index: number, item: A) {
    this.index = index
    this.item = item
  }
}

/** One fiber of those that share the items: works on one after another, or asks for more, until there is nothing to do. */
export class Lane<A, B, E, R, SE> {
  readonly run: Effect.Effect<void, E, R>
  private readonly lanes: Lanes<A, B, E, R, SE>
  private doing: "nothing yet" | "nothing" | "pull" | "task" = "nothing yet"
  /** The item that it works on, or the last one. */
  private begun: Begun<A> | undefined

  /** `asks`: there are more items than those that are here. */
  constructor(lanes: Lanes<A, B, E, R, SE>, { stops, task }: Work<A, B, E, R, SE>, asks: boolean) {
    this.lanes = lanes
    const tasks = Effect.whileLoop({
      while: () => lanes.here,
      body: () => {
        this.begin()
        this.doing = "task"
        const begun = this.begun = lanes.take(this.begun)
        return task(begun.item, begun.index)
      },
      step: (value) => {
        this.doing = "nothing"
        if (this.begun !== undefined) lanes.succeed(this.begun, value)
      }
    })
    // A task that fails ends the loop, and only then it is begun anew: one that succeeds pays nothing for it. Where nothing is begun
    // after a failure, the fiber ends with it.
    const each: Effect.Effect<void, E, R> = stops ? tasks : Effect.catchCause(tasks, (cause) => {
      this.broken(cause)
      return each
    })
    const body = () => lanes.here ? each : this.pull()
    this.run = asks ? Effect.whileLoop({ while: () => lanes.here || lanes.canPull, body, step: () => {} }) : each
  }

  /**
   * Its fiber has ended. If that was in the midst of something, the lanes were closed, which asks for no outcome of who is merely
   * interrupted; or somebody interrupted this fiber alone.
   */
  ended(exit: Exit.Exit<void, E>, closed: boolean): void {
    const { doing } = this
    this.begin()
    if (exit._tag === "Success" || (closed && Cause.hasInterruptsOnly(exit.cause))) return
    // Who asks for more fails with nothing of a task's.
    const reasons = exit.cause.reasons.filter((reason) => reason._tag !== "Fail")
    if (doing === "pull") this.lanes.sourceEnded(Cause.fromReasons(reasons))
    else this.broken(exit.cause)
  }

  private begin(): void {
    if (this.doing === "nothing yet") this.lanes.atWork()
  }

  private pull(): Effect.Effect<void, never, R> {
    this.begin()
    const more = this.lanes.ask()
    if (more === undefined) return Effect.void
    this.doing = "pull"
    return Effect.matchCause(more, {
      onFailure: (cause) => {
        this.doing = "nothing"
        this.lanes.sourceEnded(cause)
      },
      onSuccess: (items) => {
        this.doing = "nothing"
        this.lanes.arrived(items)
      }
    })
  }

  private broken(cause: Cause.Cause<E>): void {
    const { begun, doing } = this
    if (doing !== "task" || begun === undefined) return
    this.doing = "nothing"
    this.lanes.fail(begun, cause)
  }
}
