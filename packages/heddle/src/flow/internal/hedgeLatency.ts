/** So many of the last samples count. */
const span = 1024
/** The upper bounds of the buckets grow by this much, so an answer is too high by 5 % at most. */
const growth = Math.log(1.05)
/** The first bucket ends here, in milliseconds; the last at about ten hours. */
const least = 0.01
const buckets = 448

/** A percentile of the last samples, in 4 kB: a histogram of exponential buckets, and a ring that says what leaves it. */
export class SlidingPercentile {
  private readonly counts = new Uint16Array(buckets)
  private readonly ring = new Uint16Array(span)
  private at = 0
  size = 0

  add(millis: number): void {
    const bucket = bucketOf(millis)
    if (this.size === span) this.count(this.ring[this.at], -1)
    else this.size++
    this.count(bucket, 1)
    this.ring[this.at] = bucket
    this.at = (this.at + 1) % span
  }

  /** The least bound that at least this share of the samples do not exceed, in milliseconds. */
  of(share: number): number {
    let left = Math.ceil(this.size * share)
    let bucket = 0
    for (const count of this.counts) {
      left -= count
      if (left <= 0) break
      bucket++
    }
    return least * Math.exp(growth * bucket)
  }

  private count(bucket: number | undefined, change: number): void {
    if (bucket !== undefined) this.counts[bucket] = (this.counts[bucket] ?? 0) + change
  }
}

const bucketOf = (millis: number): number =>
  !(millis > least) ? 0 : Math.min(buckets - 1, Math.ceil(Math.log(millis / least) / growth))
