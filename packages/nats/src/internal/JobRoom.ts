import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import { KvOutbox } from "heddle/coordination"
import type { Job, JobBackend } from "heddle/messaging"
import { JobFlights, type Request, type Sender } from "./JobFlights.ts"
import type { Answer } from "./jobOrders.ts"
import { type Arrived, JobReplica, type Took } from "./jobReplica.ts"
import { heartbeat, isRefusal, type JobStreams, type Kept, type Log } from "./jobStreams.ts"

/** What a room needs of its store. */
export interface Around extends Sender {
  readonly streams: JobStreams
  readonly isUp: () => boolean
  readonly ring: (instant: number) => void
  /** Milliseconds. */
  readonly timeout: number
  /** How many messages are read before the state is kept. */
  readonly saveAfter: number
  readonly revoked: (held: Pick<JobBackend.Held, "queue" | "id" | "token">) => void
}

/** A state is kept when so much was read since the last one, and no less than the state has itself. */
const mostBytes = 16_777_216
/** Of messages that large it is one of so many. */
const turns = 64
const pause = 100

/** A queue as a store sees it: the replica of its log, what is on its way there, and those who wait for something. */
export class JobRoom {
  readonly waiting = new Set<() => void>()
  readonly followers = new Map<string, Set<(event: Job.JobEvent) => void>>()
  readonly outbox: KvOutbox.KvOutbox<Request, Answer>
  private readonly queue: string
  private readonly around: Around
  private replica = new JobReplica()
  private log: Log | undefined
  private readonly flights: JobFlights
  /** Whether the log is being read. */
  private reading = false
  /** Why it cannot be. */
  private broken: unknown
  /** Which reading of the log it is: what an earlier one still hears is passed over. */
  private session: object = {}
  private readonly trouble = Latch.makeUnsafe(false)
  /** When the server told something, and when that was a message. */
  private heardAt = 0
  private readAt = 0
  /** The bytes of the state that was kept last. */
  private kept = 0
  private readonly full = Latch.makeUnsafe(false)
  /** Whether something was asked for that is neither answered nor given up, as of the last look. */
  private asked = false
  usedAt = 0
  constructor(queue: string, around: Around) {
    this.queue = queue
    this.around = around
    this.flights = new JobFlights(queue, around, () => {
      if (this.reading) this.again()
    })
    this.outbox = new KvOutbox.KvOutbox<Request, Answer>({
      isUp: () => around.isUp() && (this.reading || this.broken !== undefined),
      timeout: around.timeout,
      now: around.now,
      ring: around.ring,
      send: (ops, onReplies, onFail) => {
        if (this.broken === undefined) this.flights.send(ops, onReplies, onFail)
        else onFail(this.broken, "refused")
      }
    })
  }

  /** Reads the log, from where it was left, for as long as it is not interrupted. */
  readonly run: Effect.Effect<never> = Effect.forever(Effect.suspend(() => {
    this.trouble.closeUnsafe()
    return Effect.scoped(Effect.raceFirst(Effect.andThen(this.open, Effect.never), this.trouble.await)).pipe(
      Effect.ensuring(Effect.sync(() => this.stop())),
      Effect.catch((error) => {
        if (isRefusal(error)) this.broken = error
        this.outbox.resend()
        return Effect.sleep(pause)
      })
    )
  }))

  /** The connection was replaced, or something is missing: what is read is read anew. */
  readonly again = (): void => {
    this.stop()
    this.trouble.openUnsafe()
  }

  private stop(): void {
    this.session = {}
    this.reading = false
  }

  private readonly open = Effect.gen({ self: this }, function*() {
    const { now, streams } = this.around
    const session = {}
    this.session = session
    const log = yield* streams.log(this.queue)
    if (this.log?.created !== log.created) this.replica = new JobReplica()
    this.log = log
    if (this.replica.seq === 0) yield* this.load(log)
    const { replica } = this
    let begun = replica.seq === 0
    yield* streams.read(this.queue, replica.seq, {
      onHeartbeat: () => {
        this.heardAt = now()
      },
      onEnd: () => {
        if (this.session === session) this.again()
      },
      onMessage: (message) => {
        if (this.session !== session) return
        this.heardAt = now()
        if (replica.place(message) === (begun ? "behind" : "last")) {
          if (begun) this.take(message)
          begun = true
        } else this.forget()
      }
    })
    if (this.session !== session) return
    this.heardAt = now()
    this.reading = true
    this.broken = undefined
    this.flights.sendAgain()
    this.outbox.resend()
    this.happen()
  })

  private readonly load = (log: Log): Effect.Effect<void, unknown> =>
    Effect.flatMap(this.around.streams.load(this.queue, log), (kept) => {
      if (kept !== undefined) return Effect.sync(() => this.restore(kept))
      if (log.first <= 1) return Effect.void
      this.broken = new Error(`the beginning of the log of ${this.queue} is gone`)
      return Effect.fail(this.broken)
    })

  /** It is not the log that was read: the server has lost something, or others have let go of what was not read yet. */
  private forget(): void {
    this.replica = new JobReplica()
    this.again()
  }

  private restore({ at, bytes, stamp, state }: Kept): void {
    const replica = JobReplica.of(at, stamp, state)
    this.replica = replica
    this.kept = bytes
    for (const [id, all] of this.followers) {
      const { outcome } = replica.machine.outcome(replica.now, id)
      if (outcome !== undefined) { for (const tell of all) tell({ _tag: "Ended", outcome }) }
    }
  }

  private take(message: Arrived): void {
    this.readAt = this.around.now()
    const took = this.replica.take(message)
    if (took === undefined) {
      this.broken = new Error(`the log of ${this.queue} was written by another version`)
      this.replica = new JobReplica()
      return this.stop()
    }
    if (Option.isSome(took)) this.tell(took.value)
    for (const { event, id } of this.replica.machine.told.splice(0)) {
      for (const tell of this.followers.get(id) ?? []) tell(event)
    }
    if (this.replica.machine.hasClaimable) this.wake()
    this.around.ring(this.due)
  }

  private tell({ answers, name, orders }: Took): void {
    orders.forEach((order, at) => {
      const token = answers[at]?.cancelled ?? 0
      if (order._tag === "Cancel" && token > 0) {
        this.around.revoked({ queue: this.queue, id: order.id, token: BigInt(token) })
      }
    })
    if (name.client !== this.around.client) return
    for (const { id, token } of this.flights.land(name.count, answers, this.replica)) this.handBack(id, token)
    this.keepState()
  }

  handBack(id: string, token: number): void {
    this.outbox.send({ order: { _tag: "Settle", id, token, settlement: { _tag: "HandedBack" } } }, ignore, ignore)
  }

  private wake(): void {
    for (const wake of this.waiting) wake()
  }

  /** Lets happen what is due: somebody's claim does, or else a look. */
  private happen(): void {
    this.wake()
    if (this.followers.size > 0 && this.waiting.size + this.flights.size === 0) {
      this.outbox.send({ order: { _tag: "Look" } }, ignore, ignore)
    }
  }

  /** When something happens by itself that somebody here waits for. */
  private get due(): number {
    if (this.waiting.size + this.followers.size === 0) return Infinity
    return this.readAt + Math.max(0, this.replica.machine.next - this.replica.now)
  }

  /** Gives up what is overdue, sees that the log is still read, and has happen what is due. Answers when to look next. */
  look(): number {
    const now = this.around.now()
    const asked = this.outbox.look()
    this.asked = asked !== Infinity
    const next = Math.min(asked, this.flights.look(now))
    if (!this.reading) return next
    const silence = this.heardAt + 4 * heartbeat
    if (silence <= now && this.around.isUp()) this.again()
    if (this.due > now) return Math.min(next, this.due, silence)
    this.happen()
    return Math.min(next, now + pause)
  }

  /** Whether nothing is on its way, and nobody waits. */
  get isIdle(): boolean {
    return !this.asked && this.flights.size === 0 && this.waiting.size === 0 && this.followers.size === 0
  }

  private keepState(): void {
    const { bytes, messages } = this.replica.unsaved
    const { saveAfter } = this.around
    // It takes a while, and only one should do it: whoever sent that message, and if nothing comes of it the one so many later.
    const isMine = messages >= saveAfter ? messages % saveAfter === 0 : bytes >= mostBytes && messages % turns === 0
    if (isMine && bytes >= this.kept) this.full.openUnsafe()
  }

  /** Keeps the state each time that enough was read, for as long as it is not interrupted. */
  readonly saves: Effect.Effect<never> = Effect.forever(
    Effect.gen({ self: this }, function*() {
      yield* this.full.await
      this.full.closeUnsafe()
      const { log, replica } = this
      const state = replica.state()
      if (log === undefined || state === undefined) return
      const { seq: at, stamp } = replica
      this.kept = yield* this.around.streams.save(this.queue, log, { at, stamp, state })
      this.outbox.send({ order: { _tag: "Saved", at } }, ignore, ignore)
    }).pipe(Effect.ignore)
  )
}

const ignore = () => {}
