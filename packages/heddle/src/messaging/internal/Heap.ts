/**
 * A binary heap: the least of all by `before` comes out first.
 *
 * Effect's `TxPriorityQueue` gives the same order, but each of its steps is a transaction that copies the queue: 10,000 items take it
 * thirty times as long, and the steps of a pure machine are no effects.
 */
export class Heap<A> {
  private all: Array<A> = []
  private readonly before: (one: A, other: A) => boolean
  constructor(before: (one: A, other: A) => boolean) {
    this.before = before
  }

  get head(): A | undefined {
    return this.all[0]
  }

  get size(): number {
    return this.all.length
  }

  /** Takes out all that the predicate does not hold for. */
  keep(holds: (item: A) => boolean): void {
    const kept = this.all.filter(holds)
    this.all = []
    for (const item of kept) this.push(item)
  }

  push(item: A): void {
    let at = this.all.length
    this.all.push(item)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = this.all[up]
      if (parent === undefined || !this.before(item, parent)) break
      this.all[at] = parent
      at = up
    }
    this.all[at] = item
  }

  shift(): A | undefined {
    const first = this.all[0]
    const last = this.all.pop()
    if (last === undefined || this.all.length === 0) return first
    let at = 0
    for (;;) {
      const left = this.all[2 * at + 1]
      const right = this.all[2 * at + 2]
      const least = left !== undefined && right !== undefined && this.before(right, left) ? right : left
      if (least === undefined || !this.before(least, last)) break
      this.all[at] = least
      at = 2 * at + (least === right ? 2 : 1)
    }
    this.all[at] = last
    return first
  }
}
