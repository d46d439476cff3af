/** What a window of calls has shown. */
export interface Window {
  /** The mean latency of the calls that succeeded, in milliseconds; NaN if all were dropped. */
  readonly latency: number
  /** Whether calls were dropped: the dependency had too much. */
  readonly dropped: boolean
  /** The most that ran at once. */
  readonly running: number
}

/** From a limit and what happened under it, the next one; `least` is the lowest that there is. */
export type Rule = (limit: number, window: Window, least: number) => number

/** A limit that is not used says nothing about a higher one. */
const used = (limit: number, { running }: Window): boolean => running * 2 >= Math.floor(limit)

/**
 * One more where calls are fast, a part of it where they are slow or dropped: Chiu and Jain, Analysis of the Increase and
 * Decrease Algorithms for Congestion Avoidance, 1989.
 */
export const additive = (slow: number, backoff: number): Rule => (limit, window) => {
  if (window.dropped || window.latency > slow) return limit * backoff
  return used(limit, window) ? limit + 1 : limit
}

/**
 * Follows the ratio of the latency without load to the latency now, with room for a short queue, the square root of the
 * limit. After the gradient of Netflix's concurrency-limits. There the latency without load is a long average, which a queue
 * that stays pulls up, and the limit with it. Here it is the lowest that a window has shown. Whether it has become more, it
 * finds out by a trial: where calls have been slow for long, it lowers the limit for two windows, and latency that does not go
 * down with it is not due to a queue.
 */
export const gradient = (tolerance: number): Rule => {
  let unloaded = NaN
  let slow = 0
  let trial: { readonly limit: number; readonly latency: number; windows: number } | undefined

  const tried = (
    limit: number,
    latency: number,
    { limit: before, latency: then }: { limit: number; latency: number }
  ) => {
    trial = undefined
    if (latency > then * stays) unloaded = latency
    return Math.max(limit, before)
  }

  return (limit, window, least) => {
    const { dropped, latency } = window
    if (dropped || !used(limit, window)) {
      trial = undefined
      slow = 0
    }
    if (dropped) return limit * backoff
    if (Number.isNaN(unloaded) || latency < unloaded) unloaded = latency
    if (!used(limit, window)) {
      unloaded += (latency - unloaded) * learning
      return limit
    }
    if (trial !== undefined) return ++trial.windows < 2 ? limit : tried(limit, latency, trial)
    if (Math.floor(limit) <= least) unloaded = latency
    const ratio = Math.max(0.5, Math.min(1, tolerance * unloaded / Math.max(latency, shortest)))
    slow = ratio < 1 ? slow + 1 : 0
    if (slow >= patience) {
      slow = 0
      trial = { limit, latency, windows: 0 }
      return limit * trialPart
    }
    const wanted = limit * ratio + Math.sqrt(limit)
    return limit + (wanted - limit) * smoothing
  }
}

/** After how many slow windows there is a trial, at what part of the limit, and what part of the latency then stays. */
const patience = 50
const trialPart = 0.75
const stays = 0.9
/** What a drop leaves of the limit. */
const backoff = 0.9
const learning = 0.1
const smoothing = 0.2
/** Milliseconds: what takes no time at all has no ratio. */
const shortest = 1e-3
