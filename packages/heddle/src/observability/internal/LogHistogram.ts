/** How long something took, many times over. Milliseconds. */
export interface Times {
  readonly count: number
  readonly total: number
  /** Half took no longer, to within a fifth. */
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Buckets whose bounds double every four, from a microsecond to a day. */
const least = 0.001
const perOctave = 4
const buckets = 150

/** Times in few numbers, whatever they are: a quantile is the bound of its bucket, or the longest. */
export class LogHistogram {
  private readonly counts = new Uint32Array(buckets)
  private count = 0
  private total = 0
  private max = 0

  add(millis: number): void {
    const time = Math.max(0, millis)
    const index = time <= least ? 0 : Math.min(buckets - 1, Math.ceil(Math.log2(time / least) * perOctave))
    this.counts[index] = (this.counts[index] ?? 0) + 1
    this.count++
    this.total += time
    if (time > this.max) this.max = time
  }

  get times(): Times {
    const { count, max, total } = this
    return { count, total, p50: this.quantile(0.5), p99: this.quantile(0.99), max }
  }

  private quantile(share: number): number {
    let left = Math.ceil(this.count * share)
    if (left === 0) return 0
    for (let index = 0; index < buckets; index++) {
      left -= this.counts[index] ?? 0
      if (left <= 0) {
        return index === 0
          ? Math.min(least, this.max)
          : Math.min(this.max, least * 2 ** (index / perOctave))
      }
    }
    return this.max
  }
}
