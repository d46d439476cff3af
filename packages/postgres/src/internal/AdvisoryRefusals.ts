/** How many locks are remembered; all are forgotten when there are more. */
const most = 10_000

/** When each lock was last asked for without waiting, and refused. */
export class AdvisoryRefusals {
  private readonly now: () => number
  /** For how long (ms) a refusal counts. */
  private readonly recent: number
  private readonly all = new Map<bigint, number>()
  constructor(now: () => number, recent: number) {
    this.now = now
    this.recent = recent
  }

  note(number: bigint): void {
    if (this.all.size >= most) this.all.clear()
    this.all.set(number, this.now())
  }

  /** Whether the lock is likely to be refused again. */
  isRecent(number: bigint): boolean {
    const at = this.all.get(number)
    if (at === undefined) return false
    if (this.now() - at < this.recent) return true
    this.all.delete(number)
    return false
  }
}
