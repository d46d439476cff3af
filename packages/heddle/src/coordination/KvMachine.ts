/**
 * The meaning of a key-value store, as a state machine that is told the time.
 *
 * The memory layer runs it behind a thin shell. A backend's tests run it beside the backend and compare, commit by commit:
 * where the two disagree, the backend is wrong.
 *
 * The invariant: each commit that changes a key has the revision after the one before, and nothing changes a key without a
 * commit: the end of a lease is one as well.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type { Commit, Outcome, Target, Write } from "./KvBackend.ts"
import type { Change, Changed, Entry, Range } from "./KvEntry.ts"

/**
 * Compares two keys as their UTF-8 bytes do: the order of every backend. JavaScript's own order is another one.
 *
 * @category order
 * @since 0.1.0
 */
export const compareKeys = (one: string, other: string): number => {
  const length = Math.min(one.length, other.length)
  for (let at = 0; at < length; at++) {
    const a = one.charCodeAt(at)
    const b = other.charCodeAt(at)
    if (a !== b) return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1
  }
  return one.length - other.length
}

/** Halves of characters beyond the first 65,536, which come after all others. */
const isSurrogate = (code: number): boolean => code >= 0xd800 && code <= 0xdfff

/**
 * Whether a change of the key is one of the target.
 *
 * @category order
 * @since 0.1.0
 */
export const isOf = (target: Target, key: string): boolean =>
  target.prefix ? key.startsWith(target.key) : key === target.key

/**
 * What is left of a commit for who watches the target; undefined where it does not touch it.
 *
 * @category order
 * @since 0.1.0
 */
export const seenBy = (target: Target, changed: Changed): Changed | undefined => {
  const changes = changed.changes.filter((change) =>
    isOf(target, change._tag === "Put" ? change.entry.key : change.key)
  )
  return Arr.isReadonlyArrayNonEmpty(changes) ? { revision: changed.revision, changes } : undefined
}

interface Bound {
  until: number
  readonly keys: Set<string>
}

interface Held {
  readonly entry: Entry
  readonly lease: string | undefined
}

/**
 * All keys of a store. Times are milliseconds of the store's clock.
 *
 * @category models
 * @since 0.1.0
 */
export class KvMachine {
  revision = 0n
  private readonly keys: Array<string> = []
  private readonly held = new Map<string, Held>()
  private readonly leases = new Map<string, Bound>()
  private history: Array<Changed> = []
  private issued = 0
  /** No lease ends before. */
  next = Infinity
  private readonly kept: number
  /** Keeps as many of the last revisions for who watches. */
  constructor(kept: number) {
    this.kept = kept
  }

  get(key: string): Entry | undefined {
    return this.held.get(key)?.entry
  }

  range(prefix: string, after: string | undefined, limit: number): Range {
    const entries: Array<Entry> = []
    const start = after !== undefined && compareKeys(after, prefix) >= 0 ? this.place(after, true) : this.place(prefix)
    let at = start
    for (; entries.length < limit; at++) {
      const key = this.keys[at]
      const entry = key?.startsWith(prefix) === true ? this.get(key) : undefined
      if (entry === undefined) return { entries, revision: this.revision, more: false }
      entries.push(entry)
    }
    return { entries, revision: this.revision, more: this.keys[at]?.startsWith(prefix) === true }
  }

  commit(now: number, { checks, writes }: Commit): Outcome {
    this.expire(now)
    for (const { key, revision } of checks) {
      const actual = this.get(key)?.revision ?? 0n
      if (actual !== revision) return { _tag: "Conflict", key, actual }
    }
    for (const write of writes) {
      if (write._tag === "Put" && write.lease !== undefined && !this.leases.has(write.lease)) {
        return { _tag: "Unleased", lease: write.lease }
      }
    }
    const revision = this.revision + 1n
    const changes = writes.flatMap((write) => this.write(now, write, revision) ?? [])
    this.record(changes)
    const deleted = changes.filter((change) => change._tag === "Delete").length
    return { _tag: "Committed", revision: this.revision, deleted }
  }

  grant(now: number, ttl: number): string {
    const id = String(++this.issued)
    this.leases.set(id, { until: now + ttl, keys: new Set() })
    this.next = Math.min(this.next, now + ttl)
    return id
  }

  /** Whether the lease still was there to be extended. */
  renew(now: number, id: string, ttl: number): boolean {
    this.expire(now)
    const lease = this.leases.get(id)
    if (lease === undefined) return false
    lease.until = now + ttl
    this.next = Math.min(this.next, lease.until)
    return true
  }

  revoke(now: number, id: string): void {
    this.expire(now)
    this.end(id)
  }

  /** Ends the leases that are over. */
  expire(now: number): void {
    if (now < this.next) return
    this.next = Infinity
    for (const [id, { until }] of this.leases) {
      if (until <= now) this.end(id)
      else this.next = Math.min(this.next, until)
    }
  }

  /** The first revision that can still be watched from. */
  get oldest(): bigint {
    return this.revision + 1n - BigInt(this.history.length)
  }

  /** The commits from a revision on; undefined where some are gone. */
  since(from: bigint): ReadonlyArray<Changed> | undefined {
    return from < this.oldest ? undefined : this.history.slice(Number(from - this.oldest))
  }

  /** Forgets the commits before a revision. */
  compact(before: bigint): void {
    if (before > this.oldest) this.history = this.history.slice(Number(before - this.oldest))
  }

  private write(now: number, write: Write, revision: bigint): Change | undefined {
    const before = this.held.get(write.key)
    if (before?.lease !== undefined) this.leases.get(before.lease)?.keys.delete(write.key)
    if (write._tag === "Delete") {
      if (before === undefined) return undefined
      this.remove(write.key)
      return { _tag: "Delete", key: write.key }
    }
    const { key, value } = write
    const lease = write.ttl === undefined ? write.lease : this.grant(now, write.ttl)
    if (lease !== undefined) this.leases.get(lease)?.keys.add(key)
    const entry = { key, value, revision, created: before?.entry.created ?? revision }
    if (before === undefined) this.keys.splice(this.place(key), 0, key)
    this.held.set(key, { entry, lease })
    return { _tag: "Put", entry }
  }

  private end(id: string): void {
    const lease = this.leases.get(id)
    if (lease === undefined) return
    this.leases.delete(id)
    for (const key of lease.keys) this.remove(key)
    this.record(Array.from(lease.keys, (key) => ({ _tag: "Delete", key })))
  }

  private remove(key: string): void {
    this.held.delete(key)
    this.keys.splice(this.place(key), 1)
  }

  private record(changes: ReadonlyArray<Change>): void {
    const keyOf = (change: Change) => change._tag === "Put" ? change.entry.key : change.key
    const sorted = [...changes].sort((one, other) => compareKeys(keyOf(one), keyOf(other)))
    if (!Arr.isReadonlyArrayNonEmpty(sorted)) return
    this.revision++
    this.history.push({ revision: this.revision, changes: sorted })
    if (this.history.length > 2 * this.kept) this.history = this.history.slice(-this.kept)
  }

  /** Where the key stands, or would stand, among all; with `behind` the place after it. */
  private place(key: string, behind = false): number {
    let low = 0
    let high = this.keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      const order = compareKeys(this.keys[middle] ?? "", key)
      if (order < 0 || (behind && order === 0)) low = middle + 1
      else high = middle
    }
    return low
  }
}
