import * as EtcdOp from "../EtcdOp.ts"
import * as Keys from "./leaseKeys.ts"
import type { Leaving } from "./leaseLeaving.ts"

/** The line of one resource at a revision, in order of arrival. */
export class View {
  readonly room: string
  readonly entries = new Map<string, Keys.Entry>()
  /** Everything up to this revision is in it. */
  revision = 0n
  size: Keys.Size | undefined
  /** What those hold who gave a part back, by their ids. */
  private readonly less = new Map<string, number>()
  constructor(room: string) {
    this.room = room
  }

  /** What reads of one revision found. */
  static of(room: string, revision: bigint, ...reads: ReadonlyArray<Pick<EtcdOp.RangeResult, "kvs">>): View {
    const view = new View(room)
    view.reset(revision, ...reads)
    return view
  }

  reset(revision: bigint, ...reads: ReadonlyArray<Pick<EtcdOp.RangeResult, "kvs">>): void {
    this.entries.clear()
    this.less.clear()
    this.size = undefined
    this.revision = revision
    const kvs = reads.flatMap((read) => read.kvs)
    for (const kv of kvs) this.setBeside(kv)
    for (const entry of Keys.entriesOf(this.room, kvs)) this.entries.set(entry.key, entry)
  }

  /** Brings a change in. A key keeps its place when its value changes; one made anew goes to the end. */
  apply(type: "put" | "delete", kv: EtcdOp.KeyValue): void {
    if (kv.modRevision <= this.revision) return
    if (this.setBeside(kv, type)) return
    const entry = Keys.entryOf(this.room, kv)
    if (entry === undefined) return
    if (this.entries.get(entry.key)?.revision !== entry.revision || type === "delete") this.entries.delete(entry.key)
    if (type === "put") this.entries.set(entry.key, entry)
  }

  /** How many permits its callers say that there are; undefined where there are none. */
  get named(): number | undefined {
    return this.entries.values().next().value?.limit
  }

  permits({ id, permits }: Keys.Entry): number {
    return this.less.get(id) ?? permits
  }

  /** Those whose permits fit, together with all before them: they hold, everybody else waits. Who leaves does not count. */
  *holders(leaving?: Leaving): Generator<Keys.Entry> {
    let sum = 0
    for (const entry of this.entries.values()) {
      if (leaving?.has(entry.key) === true) continue
      sum += this.permits(entry)
      if (sum > (this.size?.limit ?? entry.limit) && entry.revision > (this.size?.upTo ?? 0n)) return
      yield entry
    }
  }

  /** Leaves out those who came before a revision. */
  forgetBefore(revision: bigint): void {
    for (const entry of this.entries.values()) if (entry.revision < revision) this.entries.delete(entry.key)
  }

  /** Whether the claim that came in at a revision holds. */
  holds(revision: bigint, leaving: Leaving): boolean {
    for (const entry of this.holders(leaving)) if (entry.revision === revision) return true
    return false
  }

  /**
   * Those who hold now because a claim that came in at `after` gave so many permits back; Infinity stands for a number that is not known,
   * and names all who came after it and hold.
   */
  *freed(after: bigint, permits: number): Generator<Keys.Entry> {
    let sum = 0
    for (const entry of this.holders()) {
      sum += this.permits(entry)
      const before = entry.revision <= (this.size?.upTo ?? 0n)
      if (entry.revision > after && !before && sum + permits > (this.size?.limit ?? entry.limit)) yield entry
    }
  }

  private setBeside(kv: EtcdOp.KeyValue, type: "put" | "delete" = "put"): boolean {
    const key = EtcdOp.text(kv.key)
    const less = Keys.lessKey(this.room, "")
    if (key === Keys.sizeKey(this.room)) this.size = type === "put" ? Keys.decodeSize(kv.value) : undefined
    else if (!key.startsWith(less)) return false
    else if (type === "put") this.less.set(key.slice(less.length), Number(EtcdOp.text(kv.value)))
    else this.less.delete(key.slice(less.length))
    return true
  }
}
