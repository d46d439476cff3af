/**
 * What a key-value store on a server has on its way to it, for backends that carry out many operations in a call.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * One operation on its way to the server, and what to do with the answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Op<Args, Reply> {
  readonly args: Args
  /** How many bytes of values it carries. */
  readonly size: number
  /** Whether it may be sent again when it may have been carried out. */
  readonly again: boolean
  /** The monotonic instant (ms) at which it fails, and is not sent any more. -Infinity takes it back if it is not sent yet. */
  until: number
  /** `sentAt`: the monotonic instant (ms) just before the sending that is answered here. */
  onReply(reply: Reply, sentAt: number): void
  onFail(error: unknown): void
}

/**
 * What is known of operations that were sent and not answered: they may have been carried out (`lost`), they were not and
 * could be another time (`undone`), or they were not and would not be (`refused`).
 *
 * @category models
 * @since 0.1.0
 */
export type Fate = "lost" | "undone" | "refused"

/**
 * What an outbox needs of its surroundings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Surroundings<Args, Reply> {
  /** Whether there is a connection. When there is one again, call `resend`. */
  readonly isUp: () => boolean
  /** Sends operations in one call, and tells the answers, one for each, or why there are none. */
  readonly send: (
    ops: ReadonlyArray<Op<Args, Reply>>,
    onReplies: (replies: ReadonlyArray<Reply>, sentAt: number) => void,
    onFail: (error: unknown, fate: Fate) => void
  ) => void
  /** How long an operation may take, in milliseconds. */
  readonly timeout: number
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
}

/** A call has no more operations than this, and takes no more when it carries this many bytes. */
const most = 64
const mebibyte = 1_048_576
const pause = 100
const farewell = "1 second"

/**
 * How an operation is sent. Default: it may be sent again, carries no values, and is sent with those of its tick.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sending extends Partial<Pick<Op<unknown, unknown>, "again" | "size">> {
  /** Whether to send it now, with those before it: the server works on them while the rest of the tick goes on. */
  readonly now?: boolean
}

/**
 * Sends the operations of one tick in one call. Those that cannot be sent now are kept until there is a connection, or their
 * time is over. What was sent and got lost has failed, unless it may be sent again.
 *
 * @category models
 * @since 0.1.0
 */
export class KvOutbox<Args, Reply> {
  private readonly around: Surroundings<Args, Reply>
  private queue: Array<Op<Args, Reply>> = []
  private kept: Array<Op<Args, Reply>> = []
  /** Those that were sent or kept, and have neither been answered nor failed. */
  private readonly pending = new Set<Op<Args, Reply>>()
  private flying = 0
  private scheduled = false
  private closed = false
  private onIdle: (() => void) | undefined
  constructor(around: Surroundings<Args, Reply>) {
    this.around = around
  }

  /** Sends an operation with those of this tick, and tells what becomes of it. */
  send(
    args: Args,
    onReply: (reply: Reply, sentAt: number) => void,
    onFail: (error: unknown) => void,
    { again = true, now = false, size = 0 }: Sending = {}
  ): Op<Args, Reply> {
    const op = { args, size, again, until: this.around.now() + this.around.timeout, onReply, onFail }
    this.queue.push(op)
    if (now) this.flush()
    else if (!this.scheduled) {
      this.scheduled = true
      void Promise.resolve().then(this.flush)
    }
    return op
  }

  /**
   * Sends an operation with those of this tick, and reads the answer.
   *
   * **Interruption**
   *
   * What is not sent yet is taken back; else it is carried out, and its answer is dropped.
   */
  ask<A>(args: Args, read: (reply: Reply, sentAt: number) => A, sending?: Sending): Effect.Effect<A, unknown> {
    return Effect.callback((resume) => {
      const op = this.send(
        args,
        (reply, sentAt) => resume(Effect.sync(() => read(reply, sentAt))),
        (error) => resume(Effect.fail(error)),
        sending
      )
      return Effect.sync(() => {
        op.until = -Infinity
      })
    })
  }

  /** Waits until nothing is on its way, for a second at most, then closes: what is left, and what comes later, fails. */
  readonly drain: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.onIdle = () => resume(Effect.void)
    this.settled()
  }).pipe(Effect.timeoutOption(farewell), Effect.andThen(Effect.sync(() => this.close())))

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
    let next = Infinity
    for (const op of this.pending) {
      if (op.until > now) next = Math.min(next, op.until)
      else {
        this.pending.delete(op)
        op.onFail(timedOut)
      }
    }
    this.kept = this.kept.filter((op) => this.pending.has(op))
    if (this.around.isUp()) this.resend()
    this.settled()
    return this.kept.length === 0 ? next : Math.min(next, now + pause)
  }

  private close(): void {
    this.closed = true
    const left = [...this.pending, ...this.queue]
    this.kept = []
    this.queue = []
    this.pending.clear()
    this.fail(left, closed)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    const ops = this.queue.filter((op) => op.until !== -Infinity)
    this.queue = []
    if (this.closed) return this.fail(ops, closed)
    if (!this.around.isUp()) return this.keep(ops)
    for (let at = 0; at < ops.length;) {
      const from = at
      for (let size = 0; at < ops.length && at - from < most && size < mebibyte; at++) size += ops[at]?.size ?? 0
      this.transmit(ops.slice(from, at))
    }
    this.settled()
  }

  private keep(ops: ReadonlyArray<Op<Args, Reply>>): void {
    if (ops.length === 0) return
    for (const op of ops) {
      this.kept.push(op)
      this.pending.add(op)
    }
    this.around.ring(this.around.now() + pause)
  }

  private transmit(ops: ReadonlyArray<Op<Args, Reply>>): void {
    const { now, ring, send } = this.around
    let until = Infinity
    for (const op of ops) {
      this.pending.add(op)
      until = Math.min(until, op.until)
    }
    ring(until)
    this.flying++
    send(ops, (replies, sentAt) => {
      this.flying--
      ops.forEach((op, i) => {
        const reply = replies[i]
        if (this.pending.delete(op) && reply !== undefined) op.onReply(reply, sentAt)
      })
      this.settled()
    }, (error, fate) => {
      this.flying--
      const at = now()
      const again = (op: Op<Args, Reply>) => fate === "undone" || fate === "lost" && op.again
      const left = ops.filter((op) => this.pending.delete(op))
      const worth = (op: Op<Args, Reply>) => again(op) && !this.closed && op.until > at
      this.keep(left.filter(worth))
      this.fail(left.filter((op) => !worth(op)), error)
      this.settled()
    })
  }

  private fail(ops: ReadonlyArray<Op<Args, Reply>>, error: unknown): void {
    for (const op of ops) op.onFail(error)
  }

  private settled(): void {
    if (this.flying === 0 && this.queue.length === 0 && this.kept.length === 0) this.onIdle?.()
  }
}

const timedOut = new Error("timed out")
const closed = new Error("the store is closed")
