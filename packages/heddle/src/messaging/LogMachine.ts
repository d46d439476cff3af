/**
 * The meaning of a log, as a state machine that is told the time.
 *
 * The memory layer runs it behind a thin shell.
 *
 * The invariant: the entries that are kept are the last ones, without a hole.
 *
 * @since 0.1.0
 */
import type { Appended, Attached, Kept, Place } from "./LogBackend.ts"
import type { Entry, From } from "./LogEntry.ts"
import type { Page } from "./LogTail.ts"

interface Consumer {
  token: bigint
  position: bigint | undefined
}

/**
 * One log and its consumers. Offsets are 1, 2, and so on; times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export class LogMachine {
  private entries: Array<Entry> = []
  private last = 0n
  private readonly consumers = new Map<string, Consumer>()

  append(now: number, appended: ReadonlyArray<Appended>, keep: Kept): ReadonlyArray<bigint> {
    const time = Math.max(now, this.entries.at(-1)?.time ?? 0)
    const offsets = appended.map(({ headers, payload }) => {
      this.entries.push({ offset: ++this.last, time, payload, headers })
      return this.last
    })
    this.trim(time, keep)
    return offsets
  }

  /** Lets go of what is beyond a bound, once that is half of all. */
  private trim(now: number, { age, count }: Kept): void {
    let gone = Math.max(0, this.entries.length - count)
    const old = now - age
    while ((this.entries[gone]?.time ?? Infinity) <= old) gone++
    if (gone > 0 && gone * 2 >= this.entries.length) this.entries = this.entries.slice(gone)
  }

  /** The first offset that is kept, or the one that comes. */
  get oldest(): bigint {
    return this.last + 1n - BigInt(this.entries.length)
  }

  place(from: Exclude<From, { offset: bigint }>): Place {
    const since = this.last + 1n
    if (from === "oldest") return { offset: this.oldest, since }
    if (from === "end") return { offset: since, since }
    if ("last" in from) {
      return { offset: since - BigInt(Math.min(from.last, this.entries.length)), since }
    }
    const found = this.entries.find(({ time }) => time >= from.time)
    return { offset: found?.offset ?? since, since }
  }

  /** The entries from an offset on, so many at most. */
  page(from: bigint, max: number): Page {
    if (from < this.oldest) return { _tag: "Gone", oldest: this.oldest }
    const at = Number(from - this.oldest)
    return { _tag: "Found", entries: this.entries.slice(at, at + max) }
  }

  attach(name: string): Attached {
    const consumer = this.consumers.get(name) ?? { token: 0n, position: undefined }
    consumer.token++
    this.consumers.set(name, consumer)
    return { ...consumer }
  }

  commit(name: string, token: bigint, offset: bigint): boolean {
    const consumer = this.consumers.get(name)
    if (consumer?.token !== token) return false
    if (offset > (consumer.position ?? -1n)) consumer.position = offset
    return true
  }

  position(name: string): bigint | undefined {
    return this.consumers.get(name)?.position
  }
}
