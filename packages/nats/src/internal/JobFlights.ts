import type { KvOutbox } from "heddle/coordination"
import type { JobMachine } from "heddle/messaging"
import { type Answer, encodeOrders, type Order } from "./jobOrders.ts"
import { type JobReplica, nameOf } from "./jobReplica.ts"
import { isRefusal, isUnheard, type JobStreams, portionsOf } from "./jobStreams.ts"

/** An order, and what is looked at in the machine just after its message was carried out. */
export interface Request {
  readonly order: Order
  readonly look?: (machine: JobMachine.JobMachine, now: number) => void
}

type Op = KvOutbox.Op<Request, Answer>
type OnReplies = (answers: ReadonlyArray<Answer>, sentAt: number) => void
type OnFail = (error: unknown, fate: KvOutbox.Fate) => void

/** A message that was sent and not yet seen in the log. */
interface Flight {
  readonly count: number
  readonly portions: ReadonlyArray<Uint8Array>
  readonly ops: ReadonlyArray<Op>
  readonly sentAt: number
  /** When it is given up. */
  readonly until: number
  readonly onReplies: OnReplies
  readonly onFail: OnFail
}

/** Who sends. */
export interface Sender {
  readonly streams: Pick<JobStreams, "add">
  /** Names this store in the logs: letters and digits. */
  readonly client: string
  /** A number that this store has not given to a message before: the server takes each but once. */
  readonly fresh: () => number
  readonly now: () => number
  /** What a message has bytes for. */
  readonly room: number
}

/** What a store has on its way to the log of a queue. */
export class JobFlights {
  private readonly flying = new Map<number, Flight>()
  /** Messages that were given up, and may come by all the same. */
  private readonly givenUp = new Set<number>()
  private readonly queue: string
  private readonly sender: Sender
  private readonly onUnheard: () => void
  /** `onUnheard`: there was nobody to take a message. */
  constructor(queue: string, sender: Sender, onUnheard: () => void) {
    this.queue = queue
    this.sender = sender
    this.onUnheard = onUnheard
  }

  get size(): number {
    return this.flying.size
  }

  send(ops: ReadonlyArray<Op>, onReplies: OnReplies, onFail: OnFail): void {
    const { fresh, now, room } = this.sender
    const portions = portionsOf(encodeOrders(ops.map(({ args }) => args.order)), room)
    const until = Math.max(...ops.map(({ until }) => until))
    // All of a message come together, or are given up together.
    for (const op of ops) op.until = Math.max(op.until, until)
    const flight = { count: fresh(), portions, ops, sentAt: now(), until, onReplies, onFail }
    this.flying.set(flight.count, flight)
    this.transmit(flight)
  }

  /** The connection was replaced: what was stored already is not stored twice. */
  sendAgain(): void {
    for (const flight of this.flying.values()) this.transmit(flight)
  }

  /** A message of this store was carried out: tells those who sent it, and answers what was claimed for nobody. */
  land(
    count: number,
    answers: ReadonlyArray<Answer>,
    { machine, now }: Pick<JobReplica, "machine" | "now">
  ): ReadonlyArray<JobMachine.Granted> {
    const flight = this.flying.get(count)
    if (flight === undefined) {
      // What was answered before comes by again where the log is read anew.
      return this.givenUp.delete(count) ? answers.flatMap(({ granted = [] }) => granted) : []
    }
    this.flying.delete(count)
    for (const { args: { look } } of flight.ops) look?.(machine, now)
    flight.onReplies(answers, flight.sentAt)
    return []
  }

  /** Gives up what is overdue, and answers when to look next. */
  look(now: number): number {
    let next = Infinity
    for (const { count, onFail, until } of this.flying.values()) {
      if (until > now) next = Math.min(next, until)
      else {
        this.flying.delete(count)
        this.givenUp.add(count)
        onFail(new Error("timed out"), "lost")
      }
    }
    return next
  }

  private transmit({ count, portions }: Flight): void {
    const { client, streams } = this.sender
    portions.forEach((data, part) => {
      const name = nameOf({ client, count, part, parts: portions.length })
      streams.add(this.queue, name, data).catch((error: unknown) => this.unsent(count, error))
    })
  }

  private unsent(count: number, error: unknown): void {
    const flight = this.flying.get(count)
    if (flight === undefined) return
    if (isUnheard(error)) return this.onUnheard()
    if (!isRefusal(error)) return
    this.flying.delete(count)
    flight.onFail(error, "refused")
  }
}
