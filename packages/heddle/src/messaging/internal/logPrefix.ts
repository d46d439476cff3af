interface Item {
  readonly offset: bigint
  done: boolean
}

/**
 * Entries in the order in which work on them began, and up to which of them all are finished.
 *
 * The invariant: `finished` is before every entry that has begun and is not finished.
 */
export class LogPrefix {
  finished: bigint | undefined
  /** How many have begun, and how many of them are up to `finished`. */
  begun = 0
  passed = 0
  private items: Array<Item> = []
  /** Where the first is that is not finished. */
  private first = 0

  /** Begins the next entry. What is answered finishes it, and tells whether `finished` has moved. */
  begin(offset: bigint): () => boolean {
    const item = { offset, done: false }
    this.items.push(item)
    this.begun++
    return () => {
      item.done = true
      return this.advance()
    }
  }

  private advance(): boolean {
    let moved = false
    for (let item = this.items[this.first]; item?.done === true; item = this.items[++this.first]) {
      this.finished = item.offset
      this.passed++
      moved = true
    }
    if (this.first === this.items.length || this.first >= 1024) {
      this.items = this.items.slice(this.first)
      this.first = 0
    }
    return moved
  }
}
