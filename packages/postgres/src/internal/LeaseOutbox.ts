import type { SqlError } from "effect/sql/SqlError"
import type { Args } from "./leaseOps.ts"
import { again } from "./leaseOps.ts"
import { isPassing } from "./unavailable.ts"

/** One operation on a resource on its way to the server, and what to do with the answer. */
export interface Op {
  readonly key: string
  args: Args
  /** The monotonic instant (ms) at which it fails, and is not sent again. -Infinity takes it back if it is not sent yet. */
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
  readonly isUp: () => boolean
  /** Sends operations in one call; answers with the lines of the reply. */
  readonly send: (
    ops: ReadonlyArray<Op>,
    onReply: (lines: ReadonlyArray<string>) => void,
    onFail: (error: SqlError) => void
  ) => void
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
  /** A line that came beside the answers. */
  readonly onPush: (line: string) => void
}

/** Larger batches are cut, so that client and server work at the same time and other clients get their turn. */
const most = 128
const pause = 100

const timedOut = new Error("timed out")
const isClosed = new Error("the store is closed")

/**
 * Sends the operations of one tick in one call. Those that got lost, or cannot be sent now, are kept and sent again when
 * the session is back, until their time is over.
 */
export class LeaseOutbox {
  private readonly around: Surroundings
  private queue: Array<Op> = []
  private kept: Array<Op> = []
  private readonly flying = new Set<ReadonlyArray<Op>>()
  private scheduled = false
  private closed = false
  /** Told when nothing is left to send or to be answered. */
  onIdle: (() => void) | undefined
  constructor(around: Surroundings) {
    this.around = around
  }

  add(op: Op): void {
    this.queue.push(op)
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(this.flush)
  }

  isIdle(): boolean {
    return this.flying.size === 0 && this.queue.length === 0 && this.kept.length === 0
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
    let next = Infinity
    const overdue = this.kept.filter((op) => op.until <= now)
    this.kept = this.kept.filter((op) => op.until > now)
    for (const ops of this.flying) {
      for (const op of ops) {
        if (op.until > now) next = Math.min(next, op.until)
        else if (op.until !== -Infinity) overdue.push(op)
      }
    }
    for (const op of overdue) {
      op.until = -Infinity
      op.onFail(timedOut)
    }
    if (this.around.isUp()) this.resend()
    this.settled()
    return this.kept.length === 0 ? next : Math.min(next, now + pause)
  }

  /** Fails what is still on its way. */
  close(): void {
    this.closed = true
    const left = this.kept.concat(this.queue)
    this.queue = []
    this.kept = []
    for (const op of left) op.onFail(isClosed)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    const ops = this.queue.filter((op) => op.until !== -Infinity)
    this.queue = []
    if (this.closed) return ops.forEach((op) => op.onFail(isClosed))
    if (!this.around.isUp()) return this.keep(ops)
    if (ops.length === 0) return this.settled()
    for (let at = 0; at < ops.length; at += most) this.transmit(ops.slice(at, at + most))
  }

  private keep(ops: ReadonlyArray<Op>): void {
    for (const op of ops) this.kept.push(op)
    this.around.ring(this.around.now() + pause)
  }

  private transmit(ops: ReadonlyArray<Op>): void {
    // In one order for all processes, so that two calls never wait for each other.
    const sorted = ops.length === 1
      ? ops
      : ops.toSorted((one, other) => one.key < other.key ? -1 : +(one.key > other.key))
    let until = Infinity
    for (const op of sorted) {
      if (++op.attempts > 1) op.args = again(op.args)
      until = Math.min(until, op.until)
    }
    this.flying.add(sorted)
    this.around.ring(until)
    const sentAt = this.around.now()
    this.around.send(sorted, (lines) => this.answered(sorted, lines, sentAt), (error) => this.failed(sorted, error))
  }

  private answered(ops: ReadonlyArray<Op>, lines: ReadonlyArray<string>, sentAt: number): void {
    this.flying.delete(ops)
    for (let i = 0; i < ops.length; i++) ops[i]?.onReply(lines[i] ?? "", sentAt)
    for (let i = ops.length; i < lines.length; i++) this.around.onPush(lines[i] ?? "")
    this.settled()
  }

  private failed(ops: ReadonlyArray<Op>, error: SqlError): void {
    this.flying.delete(ops)
    const passing = isPassing(error)
    const left: Array<Op> = []
    for (const op of ops) {
      if (op.until === -Infinity) continue
      if (!this.closed && op.until > this.around.now() && (op.insist || passing)) left.push(op)
      else op.onFail(error)
    }
    if (left.length > 0) this.keep(left)
    this.settled()
  }

  private settled(): void {
    if (this.onIdle !== undefined && this.isIdle()) this.onIdle()
  }
}
