import type { Actor, Choose } from "./Interleaver.ts"
import { prng } from "./prng.ts"

/**
 * Goes on while it can, else takes the oldest: the order in which Effect itself runs tasks of one priority.
 */
export const first: Choose = () => 0

/**
 * Follows recorded choices, and `first` after the last of them.
 */
export const recorded = (choices: ReadonlyArray<number>): Choose => {
  let index = 0
  return () => choices[index++] ?? 0
}

/**
 * Preempts with a probability that is itself drawn for the run, from 1/2 down to 1/64, then picks evenly.
 */
export const random = (seed: number): Choose => {
  const next = prng(seed)
  const preempt = 2 ** -(1 + 5 * next())
  return (running, others) => {
    if (running === undefined) return Math.floor(next() * others.length)
    return next() < preempt ? 1 + Math.floor(next() * others.length) : 0
  }
}

/**
 * PCT: the highest priority goes on; at `changes` random points of about `length` the one that runs falls to the bottom.
 *
 * S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of
 * Finding Bugs, ASPLOS 2010.
 */
export const pct = (seed: number, changes: number, length: number): Choose => {
  const next = prng(seed)
  const points = new Set(Array.from({ length: changes }, () => Math.floor(next() * Math.max(1, length))))
  const priorities = new Map<Actor, number>()
  const priority = (actor: Actor): number => {
    const known = priorities.get(actor)
    if (known !== undefined) return known
    const drawn = next()
    priorities.set(actor, drawn)
    return drawn
  }
  let index = 0
  let bottom = 0
  return (running, others) => {
    if (points.has(index++) && running !== undefined) priorities.set(running, --bottom)
    let best = running === undefined ? -Infinity : priority(running)
    let choice = 0
    for (const [place, { actor }] of others.entries()) {
      if (priority(actor) <= best) continue
      best = priority(actor)
      choice = running === undefined ? place : place + 1
    }
    return choice
  }
}

/**
 * Walks the tree of choices depth first: `choose` for one run, then `backtrack` to the next, until it says `false`.
 *
 * First come all paths that never stop a fiber which could go on, then all that do so at most once, twice, up to
 * `preemptions`: most bugs need few. Ends when no path was cut short by the bound (M. Musuvathi, S. Qadeer: Iterative
 * Context Bounding for Systematic Testing of Multithreaded Programs, PLDI 2007).
 */
export const exhaustive = (preemptions: number) => {
  let path: Array<{ readonly choice: number; readonly width: number }> = []
  let bound = 0
  let cut = false
  const choose = (): Choose => {
    let index = 0
    let stopped = 0
    return (running, others) => {
      if (running !== undefined && stopped >= bound) {
        cut = true
        return 0
      }
      const place = path[index] ?? { choice: 0, width: others.length + (running === undefined ? 0 : 1) }
      path[index++] = place
      if (running !== undefined && place.choice > 0) stopped++
      return place.choice
    }
  }
  const backtrack = (): boolean => {
    let place = path.pop()
    while (place !== undefined && place.choice + 1 >= place.width) place = path.pop()
    if (place !== undefined) {
      path.push({ choice: place.choice + 1, width: place.width })
      return true
    }
    if (!cut || bound >= preemptions) return false
    bound++
    cut = false
    return true
  }
  return { choose, backtrack }
}
