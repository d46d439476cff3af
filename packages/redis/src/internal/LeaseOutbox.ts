import type { Cluster, Redis } from "ioredis"
import type { Args, Header, Script } from "./leaseScript.ts"
import { again, encode } from "./leaseScript.ts"
import type { Masters, Sent } from "./Masters.ts"
import { isReply, isTorn, passes } from "./passes.ts"

/** One operation on a resource on its way to the server, and what to do with the answer. */
export interface Op {
  readonly key: string
  args: Args
  /** The monotonic instant (ms) after which it is not sent again. -Infinity takes it back if it is not sent yet. */
  until: number
  /** Whether to send it again even if the server has refused it. */
  readonly insist: boolean
  /** How often it was sent. */
  attempts: number
  /** `sentAt`: the monotonic instant (ms) just before the sending that is answered here. */
  onReply(reply: string, sentAt: number): void
  onFail(error: unknown): void
}

/** What the outbox needs of its surroundings. */
export interface Surroundings {
  readonly commands: Redis | Cluster
  readonly script: Script
  /** What a batch with that key says once. */
  readonly headerOf: (key: string) => Header
  /** On a cluster: what the keys of one call must have in common, and whose answers count. */
  readonly shards: { readonly slotOf: (key: string) => number; readonly masters: Masters } | undefined
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
  /** A grant that came with the answers; a line of the form `<id> <token> <ttl>`. */
  readonly onPush: (line: string) => void
}

/** Larger batches are cut, so that client and server work at the same time and other clients get their turn. */
const most = 100
const pause = 100

/**
 * Sends the operations of one tick in one call. Those that got lost, or cannot be sent now, are kept and sent again when
 * the connection is back, until their time is over.
 */
export class LeaseOutbox {
  private readonly around: Surroundings
  private queue: Array<Op> = []
  private kept: Array<Op> = []
  /** Sent more than once and not answered: the client's own time limit counts from the last sending. */
  private readonly resent = new Set<Op>()
  private flying = 0
  private scheduled = false
  private closed = false
  /** Told when nothing is left to send or to be answered. */
  onIdle: (() => void) | undefined
  constructor(around: Surroundings) {
    this.around = around
  }

  /** `urgent`: somebody waits for what it does, so it does not wait for what this tick may bring. Only the first of a tick can be. */
  add(op: Op, urgent = false): void {
    this.queue.push(op)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(this.tick)
    if (urgent) this.flush()
  }

  isIdle(): boolean {
    return this.flying === 0 && this.queue.length === 0 && this.kept.length === 0
  }

  /** Sends what was kept, before what came later. */
  readonly resend = (): void => {
    if (this.kept.length === 0) return
    this.queue = this.kept.concat(this.queue)
    this.kept = []
    this.flush()
  }

  /** Gives up what is overdue, tries again, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    const overdue = [...this.kept, ...this.resent].filter((op) => op.until <= now)
    this.kept = this.kept.filter((op) => op.until > now)
    for (const op of overdue) {
      this.resent.delete(op)
      op.onFail(new Error("timed out, also when it was sent again"))
    }
    if (this.around.commands.status === "ready") this.resend()
    this.settled()
    return this.kept.length + this.resent.size === 0 ? Infinity : now + pause
  }

  /** Fails what is still on its way. */
  close(): void {
    this.closed = true
    const left = this.kept.concat(this.queue)
    this.queue = []
    this.kept = []
    for (const op of left) op.onFail(new Error("the store is closed"))
  }

  private readonly tick = (): void => {
    this.scheduled = false
    if (this.queue.length > 0) this.flush()
  }

  private flush(): void {
    const ops = this.queue
    this.queue = []
    if (this.closed) return ops.forEach((op) => op.onFail(new Error("the store is closed")))
    if (this.around.commands.status !== "ready") return this.keep(ops)
    const { shards } = this.around
    if (shards === undefined || ops.length === 1) return this.cut(ops)
    for (const group of Map.groupBy(ops, ({ key }) => shards.slotOf(key)).values()) this.cut(group)
  }

  private cut(ops: ReadonlyArray<Op>): void {
    if (ops.length <= most) return this.transmit(ops)
    // In parts alike: the answer to a small part would be there long before that to a large one, and its callers' next steps be alone.
    const size = Math.ceil(ops.length / Math.ceil(ops.length / most))
    for (let at = 0; at < ops.length; at += size) this.transmit(ops.slice(at, at + size))
  }

  private keep(ops: ReadonlyArray<Op>): void {
    for (const op of ops) this.kept.push(op)
    this.around.ring(this.around.now() + pause)
  }

  private transmit(all: ReadonlyArray<Op>): void {
    const { commands, headerOf, script } = this.around
    const ops = all.filter((op) => op.until !== -Infinity)
    const [first] = ops
    if (first === undefined) return this.settled()
    for (const op of ops) {
      if (++op.attempts === 1) continue
      this.resent.add(op)
      op.args = again(op.args)
    }
    const keys = ops.map((op) => op.key)
    const batch = encode(headerOf(first.key), ops)
    this.flying++
    const send = (command: "evalsha" | "eval", what: string): void => {
      const sent = this.sent(first.key)
      commands[command](what, keys.length, ...keys, batch).then(
        (reply) => this.heard(ops, String(reply), sent),
        (error: unknown) =>
          command === "evalsha" && error instanceof Error && error.message.startsWith("NOSCRIPT")
            ? send("eval", script.lua)
            : this.failed(ops, error)
      )
    }
    send("evalsha", script.sha)
  }

  private sent(key: string): Sent {
    const { now, shards } = this.around
    if (shards === undefined) return { slot: 0, to: undefined, at: now() }
    const slot = shards.slotOf(key)
    return { slot, to: shards.masters.masterOf(slot), at: now() }
  }

  /** The answer of a node that may have lost its place counts for nothing until another has vouched for it. */
  private heard(ops: ReadonlyArray<Op>, reply: string, sent: Sent): void {
    const counts = this.around.shards?.masters.counts(sent) ?? true
    const judge = (counts: boolean) =>
      counts ? this.answered(ops, reply, sent.at) : this.failed(ops, new Error("another node serves the slot now"))
    if (typeof counts === "boolean") judge(counts)
    else void counts.then(judge)
  }

  private answered(ops: ReadonlyArray<Op>, reply: string, sentAt: number): void {
    const lines = reply.split("\n")
    // The primary has become a replica. Whoever gives out its address knows who is the primary now.
    if (reply.startsWith("EREADONLY ")) {
      this.around.commands.disconnect(true)
      return this.failed(ops, new Error(lines[0]?.slice(1)))
    }
    this.flying--
    this.back(ops)
    for (let i = 0; i < ops.length; i++) this.reply(ops[i], lines[i] ?? "", sentAt)
    for (let i = ops.length; i < lines.length; i++) this.around.onPush((lines[i] ?? "").slice(1))
    this.settled()
  }

  private reply(op: Op | undefined, line: string, sentAt: number): void {
    if (op === undefined) return
    if (line[0] === "E" && this.isWorth(op, !passes(line.slice(1)))) this.keep([op])
    else op.onReply(line, sentAt)
  }

  private failed(ops: ReadonlyArray<Op>, error: unknown): void {
    this.flying--
    this.back(ops)
    if (isTorn(error)) {
      const parts = Map.groupBy(ops, ({ key }) => key)
      if (parts.size > 1) return parts.forEach((part) => this.transmit(part))
    }
    const refused = isReply(error) && !passes(error.message)
    const worth = ops.filter((op) => this.isWorth(op, refused))
    if (worth.length > 0) this.keep(worth)
    for (const op of ops) if (!worth.includes(op)) op.onFail(error)
    this.settled()
  }

  /** Whether to send it again. */
  private isWorth(op: Op, refused: boolean): boolean {
    return !this.closed && op.until > this.around.now() && (op.insist || !refused)
  }

  private back(ops: ReadonlyArray<Op>): void {
    if (this.resent.size > 0) { for (const op of ops) this.resent.delete(op) }
  }

  private settled(): void {
    if (this.onIdle !== undefined && this.isIdle()) this.onIdle()
  }
}
