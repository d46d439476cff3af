import type { Redis } from "ioredis"
import type { Args, Reply, Script } from "./kvScript.ts"

/** One operation on its way to the server, and what to do with the answer. */
export interface Op {
  readonly args: Args
  /** How many bytes of values it carries. */
  readonly size: number
  /** Whether it may be sent again when it may have been carried out. */
  readonly again: boolean
  /** The monotonic instant (ms) after which it is not sent any more. -Infinity takes it back if it is not sent yet. */
  until: number
  /** `sentAt`: the monotonic instant (ms) just before the sending that is answered here. */
  onReply(reply: Reply, sentAt: number): void
  onFail(error: unknown): void
}

/** What the outbox needs of its surroundings. */
export interface Surroundings {
  readonly commands: Redis
  readonly script: Script
  /** What stands before the operations in each call. */
  readonly keys: ReadonlyArray<string>
  readonly header: Args
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
  /** Told with each answer in how many ms the next lease ends; -1: there is none. */
  readonly onNext: (next: number) => void
}

/** A call has no more operations than this, and takes no more when it carries this many bytes. */
const most = 64
const mebibyte = 1_048_576
const pause = 100

/**
 * Sends the operations of one tick in one call. Those that cannot be sent now are kept until there is a connection, or their
 * time is over. What was sent and got lost has failed, unless it may be sent again.
 */
export class KvOutbox {
  private readonly around: Surroundings
  private queue: Array<Op> = []
  private kept: Array<Op> = []
  /** Kept at least once and not answered: no time limit of the client's holds for them as a whole. */
  private readonly late = new Set<Op>()
  private flying = 0
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
    return this.flying === 0 && this.queue.length === 0 && this.kept.length === 0
  }

  isClosed(): boolean {
    return this.closed
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
    const overdue = [...this.late].filter((op) => op.until <= now)
    for (const op of overdue) {
      this.late.delete(op)
      op.onFail(new Error("timed out: there was no connection for it in time"))
    }
    this.kept = this.kept.filter((op) => this.late.has(op))
    if (this.around.commands.status === "ready") this.resend()
    this.settled()
    return this.late.size === 0 ? Infinity : now + pause
  }

  /** Fails what is still on its way. */
  close(): void {
    this.closed = true
    const left = this.kept.concat(this.queue)
    this.kept = []
    this.queue = []
    this.fail(left, closed)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    const ops = this.queue.filter((op) => op.until !== -Infinity)
    this.queue = []
    if (this.closed) return this.fail(ops, closed)
    if (this.around.commands.status !== "ready") return this.keep(ops)
    for (let at = 0; at < ops.length;) {
      const from = at
      for (let size = 0; at < ops.length && at - from < most && size < mebibyte; at++) size += ops[at]?.size ?? 0
      this.transmit(ops.slice(from, at))
    }
    this.settled()
  }

  private keep(ops: ReadonlyArray<Op>): void {
    if (ops.length === 0) return
    for (const op of ops) {
      this.kept.push(op)
      this.late.add(op)
    }
    this.around.ring(this.around.now() + pause)
  }

  private transmit(ops: ReadonlyArray<Op>): void {
    const { commands, header, keys, now, script } = this.around
    const rest = [keys.length, ...keys, ...header]
    for (const { args } of ops) for (const arg of args) rest.push(arg)
    this.flying++
    const send = (command: "evalsha" | "eval", what: string): void => {
      const sentAt = now()
      commands.callBuffer(command, [what, ...rest]).then(
        (reply) => this.answered(ops, reply, sentAt),
        (error: unknown) =>
          command === "evalsha" && error instanceof Error && error.message.startsWith("NOSCRIPT")
            ? send("eval", script.lua)
            : this.failed(ops, error)
      )
    }
    send("evalsha", script.sha)
  }

  private answered(ops: ReadonlyArray<Op>, reply: unknown, sentAt: number): void {
    this.flying--
    this.back(ops)
    const [next, answers] = reply as readonly [Buffer, ReadonlyArray<Reply>]
    this.around.onNext(Number(next))
    for (let i = 0; i < ops.length; i++) ops[i]?.onReply(answers[i] ?? null, sentAt)
    this.settled()
  }

  private failed(ops: ReadonlyArray<Op>, error: unknown): void {
    this.flying--
    this.back(ops)
    const now = this.around.now()
    const refused = error instanceof Error && error.name === "ReplyError"
    const worth = (op: Op) => op.again && !refused && !this.closed && op.until > now
    this.keep(ops.filter(worth))
    this.fail(ops.filter((op) => !worth(op)), error)
    this.settled()
  }

  private fail(ops: ReadonlyArray<Op>, error: unknown): void {
    for (const op of ops) op.onFail(error)
  }

  private back(ops: ReadonlyArray<Op>): void {
    if (this.late.size > 0) { for (const op of ops) this.late.delete(op) }
  }

  private settled(): void {
    if (this.onIdle !== undefined && this.isIdle()) this.onIdle()
  }
}

const closed = new Error("the store is closed")
