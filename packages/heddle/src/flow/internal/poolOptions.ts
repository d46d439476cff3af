import { InvalidOption } from "../../internal/InvalidOption.ts"
import type { Options, Sizing, WhenFull } from "../WorkerPool.ts"
import { checkCount, checkMillis } from "./options.ts"
import type { Rule } from "./poolScaling.ts"

export interface Checked {
  readonly size: number
  readonly rule: Rule | undefined
  readonly capacity: number
  readonly whenFull: "wait" | "reject" | "drop"
  readonly waitFor: number
  readonly drainFor: number
}

export const checkOptions = (options: Options): Checked | InvalidOption => {
  const { drainFor = "30 seconds", queue: capacity = 1000, size, whenFull } = options
  if (!(capacity === Infinity || (Number.isInteger(capacity) && capacity >= 0))) {
    return new InvalidOption({ option: "queue", message: "queue must be a whole number of 0 or more, or Infinity" })
  }
  const sizing = checkSizing(size)
  if (sizing instanceof InvalidOption) return sizing
  const full = checkWhenFull(whenFull)
  if (full instanceof InvalidOption) return full
  const drain = checkMillis("drainFor", drainFor)
  return drain instanceof InvalidOption ? drain : { ...sizing, ...full, capacity, drainFor: drain }
}

const checkWhenFull = (whenFull: WhenFull = "wait"): Pick<Checked, "whenFull" | "waitFor"> | InvalidOption => {
  if (typeof whenFull === "string") return { whenFull, waitFor: Infinity }
  const waitFor = checkMillis("waitFor", whenFull.waitFor)
  return waitFor instanceof InvalidOption ? waitFor : { whenFull: "wait", waitFor }
}

const checkSizing = (sizing: Sizing): Pick<Checked, "size" | "rule"> | InvalidOption => {
  if (typeof sizing === "number") return checkCount("size", sizing) ?? { size: sizing, rule: undefined }
  const { cooldown = "2 seconds", grow = 0.25, interval = "500 millis", max, min, shrink = 0.15 } = sizing
  const { targetUtilisation = 0.7 } = sizing
  const wrong = checkCount("min", min) ?? checkCount("max", max) ?? checkRange(min, max) ??
    checkPart("targetUtilisation", targetUtilisation, 1) ?? checkPart("grow", grow, Infinity) ??
    checkPart("shrink", shrink, 1)
  if (wrong !== undefined) return wrong
  const tick = checkMillis("interval", interval)
  if (tick instanceof InvalidOption) return tick
  if (tick < 1) return new InvalidOption({ option: "interval", message: "interval must be 1 millisecond or more" })
  const calm = checkMillis("cooldown", cooldown)
  return calm instanceof InvalidOption
    ? calm
    : { size: min, rule: { min, max, targetUtilisation, grow, shrink, interval: tick, cooldown: calm } }
}

/** What is wrong with a number of workers that a pool should have from now on. */
export const checkSize = (size: number, rule: Rule | undefined): InvalidOption | undefined =>
  checkCount("size", size) ??
    (rule === undefined || (size >= rule.min && size <= rule.max) ? undefined : new InvalidOption({
      option: "size",
      message: `size must be from ${rule.min} to ${rule.max}, as the pool was made`
    }))

const checkRange = (min: number, max: number): InvalidOption | undefined =>
  min < Infinity && min <= max
    ? undefined
    : new InvalidOption({ option: "min", message: "min must be finite, and not more than max" })

const checkPart = (option: string, part: number, most: number): InvalidOption | undefined =>
  part > 0 && part <= most && part < Infinity
    ? undefined
    : new InvalidOption({
      option,
      message: most === Infinity
        ? `${option} must be a finite number above 0`
        : `${option} must be above 0, and at most 1`
    })
