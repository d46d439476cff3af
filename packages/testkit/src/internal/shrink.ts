import { turns } from "./schedule.ts"

/**
 * Takes turns out of a schedule, in halves, quarters, down to single ones, as long as `attempt` finds the same failure
 * (delta debugging: A. Zeller, R. Hildebrandt, IEEE TSE 2002). `attempt` gives the choices its run really took.
 */
export const shrink = (
  choices: ReadonlyArray<number>,
  attempts: number,
  attempt: (choices: ReadonlyArray<number>) => ReadonlyArray<number> | undefined
): ReadonlyArray<number> => {
  let best = choices
  let left = attempts
  for (let size = turns(best); size >= 1 && left > 0; size = Math.floor(size / 2)) {
    for (let from = 0; from < turns(best) && left > 0; left--) {
      let turn = 0
      const fewer = best.map((choice) => choice === 0 || turn++ < from || turn > from + size ? choice : 0)
      const taken = attempt(fewer)
      if (taken !== undefined && turns(taken) < turns(best)) best = taken
      else from += size
    }
  }
  return best
}
