import type * as Metric from "effect/Metric"

/** A histogram in plain numbers, which a registry reads when somebody looks: an update of a metric looks its series up. */
export class Buckets {
  /** Rising. */
  private readonly bounds: ReadonlyArray<number>
  private readonly counts: Float64Array
  private count = 0
  private sum = 0
  private min = Number.MAX_VALUE
  private max = -Number.MAX_VALUE
  constructor(bounds: ReadonlyArray<number>) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length)
  }

  add(value: number): void {
    const { bounds, counts } = this
    for (let index = 0; index < bounds.length; index++) {
      if (value > (bounds[index] ?? Infinity)) continue
      counts[index] = (counts[index] ?? 0) + 1
      break
    }
    this.count++
    this.sum += value
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
  }

  get state(): Metric.HistogramState {
    const { bounds, count, counts, max, min, sum } = this
    let below = 0
    return { buckets: bounds.map((bound, index) => [bound, below += counts[index] ?? 0]), count, min, max, sum }
  }
}
