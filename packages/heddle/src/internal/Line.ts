/** Someone who can stand in one line at a time. */
export interface Place<A extends Place<A>> {
  before: A | undefined
  behind: A | undefined
  line: Line<A> | undefined
}

/** A line in order of arrival that anybody can leave at once, wherever they stand in it. */
export class Line<A extends Place<A>> {
  head: A | undefined
  private tail: A | undefined
  size = 0

  push(place: A): void {
    place.line = this
    place.before = this.tail
    if (this.tail === undefined) this.head = place
    else this.tail.behind = place
    this.tail = place
    this.size++
  }

  shift(): A | undefined {
    const first = this.head
    if (first === undefined) return undefined
    const { behind } = first
    this.head = behind
    if (behind === undefined) this.tail = undefined
    else behind.before = undefined
    first.line = first.behind = undefined
    this.size--
    return first
  }

  /** Those who stand in it, in order. */
  *[Symbol.iterator](): Iterator<A> {
    for (let place = this.head; place !== undefined; place = place.behind) yield place
  }

  /** Everybody leaves, in order. */
  drain(leaves: (place: A) => void): void {
    for (let place = this.shift(); place !== undefined; place = this.shift()) leaves(place)
  }

  /** Whoever stands in it leaves it, and nobody else. */
  remove(place: A): void {
    const { before, behind } = place
    if (before === undefined) this.head = behind
    else before.behind = behind
    if (behind === undefined) this.tail = before
    else behind.before = before
    place.line = place.before = place.behind = undefined
    this.size--
  }
}
