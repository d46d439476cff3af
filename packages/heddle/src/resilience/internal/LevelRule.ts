import type { Level } from "../LoadLevel.ts"
import type { Sensor } from "../Sensor.ts"
import type { Check } from "./check.ts"

export const levels = ["full", "reduced", "minimal", "emergency"] as const

/** Thresholds are numbers above 0, each no less than the one before. */
export const rising = ({ at: [reduced, minimal, emergency], name }: Sensor): Check => ({
  field: `sensors.${name}.at`,
  must: "be three numbers above 0, none less than the one before",
  holds: reduced > 0 && reduced <= minimal && minimal <= emergency
})

/**
 * Follows what sensors read. It gets worse as soon as one of them reaches a threshold; it gets better when all of them have been
 * below it, by a margin, for the dwell time, and then goes to the worst that was demanded meanwhile.
 */
export class LevelRule {
  private readonly sensors: ReadonlyArray<Sensor>
  private readonly margin: number
  private readonly dwell: number
  private at = 0
  private calmSince = 0
  private worst = 3
  constructor(sensors: ReadonlyArray<Sensor>, margin: number, dwell: number) {
    this.sensors = sensors
    this.margin = margin
    this.dwell = dwell
  }

  get level(): Level {
    return levels[this.at] ?? "full"
  }

  /** What to do at an instant (monotonic ms) with what the sensors read; NaN says nothing. */
  next(values: ReadonlyArray<number>, now: number): Level {
    const demanded = this.demand(values, 1)
    const kept = Math.min(this.at, this.demand(values, 1 - this.margin))
    if (demanded >= this.at || kept >= this.at) {
      this.at = Math.max(this.at, demanded)
      this.calmSince = now
      this.worst = 0
      return this.level
    }
    this.worst = Math.max(this.worst, kept)
    if (now - this.calmSince >= this.dwell) {
      this.at = this.worst
      this.calmSince = now
      this.worst = 0
    }
    return this.level
  }

  /** The sensor that demands most, if any does. */
  because(values: ReadonlyArray<number>): { readonly sensor: string; readonly value: number } | undefined {
    const asked = this.sensors.map(({ at, name }, index) => ({
      sensor: name,
      value: values[index] ?? NaN,
      demanded: reached(at, values[index] ?? NaN, 1)
    }))
    const [most] = asked.toSorted((one, other) => other.demanded - one.demanded)
    return most === undefined || most.demanded === 0 ? undefined : { sensor: most.sensor, value: most.value }
  }

  private demand(values: ReadonlyArray<number>, part: number): number {
    return Math.max(0, ...this.sensors.map(({ at }, index) => reached(at, values[index] ?? NaN, part)))
  }
}

const reached = (thresholds: Sensor["at"], value: number, part: number): number =>
  thresholds.filter((threshold) => value >= threshold * part).length
