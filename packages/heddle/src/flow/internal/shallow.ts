import type * as Scheduler from "effect/Scheduler"

/** So many calls may nest on one stack. */
const deepest = 16

/**
 * Makes a function that tells somebody: at once, as long as such calls do not nest deeper than a few, and else in a turn of its own.
 * A chain of fibers that wait for each other is fast and does not grow the stack.
 */
export const shallowly = <A>(scheduler: Scheduler.Scheduler, tell: (whom: A) => void): (whom: A) => void => {
  const dispatcher = scheduler.makeDispatcher()
  let depth = 0
  return (whom) => {
    if (depth === deepest) return dispatcher.scheduleTask(() => tell(whom), 0)
    depth++
    tell(whom)
    depth--
  }
}

/** The same for a call that needs to be told nothing. */
export const shallow = (scheduler: Scheduler.Scheduler): (call: () => void) => void =>
  shallowly(scheduler, (call: () => void) => call())
