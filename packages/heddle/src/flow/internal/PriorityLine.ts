import { Line, type Place } from "../../internal/Line.ts"
import type { Priority } from "../WorkerPool.ts"

/**
 * A line in which the highest priority goes first, and those of one priority in order of arrival. Each step is O(1): there is
 * one line a priority, and a bit for each that is not empty.
 */
export class PriorityLine<A extends Place<A> & { readonly priority: Priority }> {
  private readonly lines = Array.from({ length: 10 }, () => new Line<A>())
  private filled = 0
  private readonly counted: (by: 1 | -1) => void
  size = 0
  /** `counted` is told of each that comes and goes. */
  constructor(counted: (by: 1 | -1) => void) {
    this.counted = counted
  }

  push(place: A): void {
    this.lines[place.priority]?.push(place)
    this.filled |= 1 << place.priority
    this.size++
    this.counted(1)
  }

  /** Takes the one that goes first. */
  shift(): A | undefined {
    return this.take(31 - Math.clz32(this.filled))
  }

  /** The oldest of those that go last. */
  get least(): A | undefined {
    return this.lines[31 - Math.clz32(this.filled & -this.filled)]?.head
  }

  /** Whoever stands in it leaves it, and nobody else. */
  remove(place: A): void {
    const line = this.lines[place.priority]
    line?.remove(place)
    if (line?.size === 0) this.filled &= ~(1 << place.priority)
    this.size--
    this.counted(-1)
  }

  private take(priority: number): A | undefined {
    const first = this.lines[priority]?.head
    if (first !== undefined) this.remove(first)
    return first
  }
}
