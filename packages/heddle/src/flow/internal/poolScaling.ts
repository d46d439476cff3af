/** How many workers an adaptive pool has: between `min` and `max`. Durations are in milliseconds, the others parts of 1. */
export interface Rule {
  readonly min: number
  readonly max: number
  readonly targetUtilisation: number
  readonly grow: number
  readonly shrink: number
  readonly interval: number
  readonly cooldown: number
}

/** What a pool saw since it was last asked. */
export interface Load {
  readonly size: number
  /** Which part of its workers was busy, on average over the time. */
  readonly utilisation: number
  /** How many tasks wait now. */
  readonly pending: number
  /** How long ago, in milliseconds, a task last had to wait, or it last grew. */
  readonly calm: number
}

/**
 * How many workers there should be. They grow by a part while they are busy and something waits, and shrink by a part while they
 * are less than half as busy as they should be and nothing has waited for a time, by one at least.
 */
export const nextSize = (rule: Rule, { calm, pending, size, utilisation }: Load): number => {
  const step = (part: number) => Math.max(1, Math.floor(size * part + 1e-9))
  if (pending > 0) return utilisation < rule.targetUtilisation ? size : Math.min(rule.max, size + step(rule.grow))
  const idle = utilisation < rule.targetUtilisation / 2 && calm >= rule.cooldown
  return idle ? Math.max(rule.min, size - step(rule.shrink)) : size
}
