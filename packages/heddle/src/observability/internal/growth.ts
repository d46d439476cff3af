/** When growth counts as a leak. */
export interface GrowthRule {
  /** Looks in a row in which it never shrank. */
  readonly looks: number
  /** So many more over all of them, at least. */
  readonly atLeast: number
}

/**
 * Tells growth that goes on from a burst that ends: over the last `looks` it has never shrunk, has grown in at least half of them,
 * and by `atLeast` in all. Once told, the next growth begins anew.
 */
export class Growth {
  private readonly rule: GrowthRule
  private counts: Array<number> = []
  constructor(rule: GrowthRule) {
    this.rule = rule
  }

  /** The counts that it grew by, where this one makes it a leak. */
  look(count: number): ReadonlyArray<number> | undefined {
    const { atLeast, looks } = this.rule
    const last = this.counts.at(-1)
    if (last !== undefined && count < last) this.counts = []
    this.counts.push(count)
    if (this.counts.length <= looks) return undefined
    const counts = this.counts.slice(-looks - 1)
    this.counts = counts.slice(1)
    const grew = counts.filter((value, index) => index > 0 && value > (counts[index - 1] ?? value)).length
    if (grew * 2 < looks || count - (counts[0] ?? count) < atLeast) return undefined
    this.counts = [count]
    return counts
  }
}
