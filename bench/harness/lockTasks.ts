/** What callers of a lock do in a benchmark. */
import type { Plan } from "./rounds.ts"

export const free = { keys: "own", hold: "none", pause: 0, turns: false } as const

/** Take and release that nobody contends for, one at a time and with 64 in flight. */
export const uncontended: Plan["tasks"] = { "1": { ...free, lanes: 1 }, "64": { ...free, lanes: 64 } }

/**
 * `polite`: a section lasts 1 ms and its caller steps back for 2 ms after it. `greedy`: a section is over at once, and its
 * caller asks again at once.
 */
export const contended = (lanes: number): Plan["tasks"] => {
  const line = { keys: "same", turns: true, lanes } as const
  return {
    polite: { ...line, hold: "millisecond", pause: 2 },
    greedy: { ...line, hold: "microtask", pause: 0 }
  }
}
