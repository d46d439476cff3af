import type * as Scheduler from "effect/Scheduler"

/**
 * Runs one thing in a turn of its own, however often it is asked for until then. Nobody is resumed on the stack of whoever
 * asks, so that a chain of fibers that wait for each other does not nest until the stack ends.
 */
export class Soon {
  private readonly dispatcher: Scheduler.SchedulerDispatcher
  private readonly run: () => void
  private asked = false
  constructor(scheduler: Scheduler.Scheduler, run: () => void) {
    this.dispatcher = scheduler.makeDispatcher()
    this.run = run
  }

  ask(): void {
    if (this.asked) return
    this.asked = true
    this.dispatcher.scheduleTask(this.turn, 0)
  }

  private readonly turn = (): void => {
    this.asked = false
    this.run()
  }
}
