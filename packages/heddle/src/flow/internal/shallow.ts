import type * as Scheduler from "effect/Scheduler"

/** So many calls may nest on one stack. */
const deepest = 16

/**
 * Makes a function that calls what it is given: at once, as long as such calls do not nest deeper than a few, and else in a turn
 * of its own. A chain of fibers that wait for each other is fast and does not grow the stack.
 */
export const shallow = (scheduler: Scheduler.Scheduler): (call: () => void) => void => {
  const dispatcher = scheduler.makeDispatcher()
  let depth = 0
  return (call) => {
    if (depth === deepest) return dispatcher.scheduleTask(call, 0)
    depth++
    call()
    depth--
  }
}
