import type { Channel, ConsumeMessage, GetMessage } from "amqplib"
import * as Latch from "effect/Latch"
import { decode, delivered } from "./jobMessage.ts"
import type { Names } from "./jobQueues.ts"

/** What a consumer may have unacknowledged, and what it has. */
interface Credit {
  readonly tag: string
  readonly isMain: boolean
  readonly prefetch: number
  used: number
}

/** A job that the server has given to this channel. */
export class Fetched {
  readonly message: ConsumeMessage | GetMessage
  readonly job: ReturnType<typeof decode>
  /** Its place among those that are fetched. */
  readonly place: number
  private readonly credit: Credit | undefined
  private claims = 0
  constructor(message: ConsumeMessage | GetMessage, place: number, credit: Credit | undefined) {
    this.message = message
    this.job = decode(message)
    this.place = place
    this.credit = credit
  }

  /** Which attempt a claim of it is. */
  get attempt(): number {
    return this.job.attempts + this.job.deliveries + 1
  }

  /** The last token that was given out. */
  get token(): number {
    return this.job.token + this.job.deliveries * delivered + this.claims
  }

  nextToken(): number {
    this.claims++
    return this.token
  }

  /** The server has it back, or is told that it is done. */
  gone(): void {
    if (this.credit !== undefined) this.credit.used--
  }
}

const front = -(2 ** 40)

/**
 * The jobs of one queue that a channel has fetched and nobody has claimed. It asks for as many as are claimed, and keeps asking while
 * claims follow one another.
 */
export class JobFeed {
  readonly names: Names
  /** Open while there is something to take, or the channel is gone. */
  readonly some = Latch.makeUnsafe(false)
  /** Claims that are under way. */
  claiming = 0
  /** The monotonic instant (ms) at which nobody has claimed for so long that all goes back. */
  idleAt = Infinity
  private readonly channel: Channel
  private readonly fetched: Array<Fetched> = []
  private credits: Array<Credit> = []
  private readonly all = new Map<string, Credit>()
  private count = 0
  constructor(channel: Channel, names: Names) {
    this.channel = channel
    this.names = names
  }

  get size(): number {
    return this.fetched.length
  }

  /** How many more than are asked for it takes to fetch so many. */
  lacking(count: number): number {
    let room = this.fetched.length
    for (const { isMain, prefetch, used } of this.credits) if (isMain) room += prefetch - used
    return Math.max(0, count - room)
  }

  /** Sees to it that so many can be fetched. */
  async ask(count: number): Promise<void> {
    const prefetch = this.lacking(count)
    if (prefetch === 0) return
    const number = this.count++
    const start = (kind: "front" | "main") => {
      const tag = `${kind} ${number} ${this.names.main}`
      const credit: Credit = { tag, isMain: kind === "main", prefetch, used: 0 }
      this.credits.push(credit)
      this.all.set(tag, credit)
      // Deliveries are taken from the channel's event: they may come when the consumer is cancelled already.
      const ended = (message: ConsumeMessage | null) => {
        if (message === null) this.channel.close().catch(() => {})
      }
      return this.channel.consume(this.names[kind], ended, { consumerTag: tag })
    }
    // Sent in one go: the limit is that of the consumers behind it.
    await Promise.all([this.channel.prefetch(prefetch), start("front"), start("main")])
  }

  /** Takes a delivery, if it is one of its own. */
  take(message: ConsumeMessage): boolean {
    const credit = this.all.get(message.fields.consumerTag)
    if (credit === undefined) return false
    credit.used++
    const place = this.count++
    this.put(new Fetched(message, credit.isMain ? place : front + place, credit))
    return true
  }

  /** Takes what was asked for by itself. */
  takeSingle(message: GetMessage): void {
    this.put(new Fetched(message, this.count++, undefined))
  }

  /** Puts a job into its place. */
  put(job: Fetched): void {
    const at = this.fetched.findLastIndex(({ place }) => place < job.place)
    this.fetched.splice(at + 1, 0, job)
    this.some.openUnsafe()
  }

  /** The first jobs, so many. */
  shift(count: number): ReadonlyArray<Fetched> {
    const taken = this.fetched.splice(0, count)
    if (this.fetched.length === 0) this.some.closeUnsafe()
    return taken
  }

  /** Asks for no more. What was on its way is taken until the answer to whatever is asked next. */
  async stop(): Promise<{ readonly asked: boolean; readonly forget: () => void }> {
    const credits = this.credits
    this.credits = []
    await Promise.all(credits.map(({ tag }) => this.channel.cancel(tag)))
    return {
      asked: credits.length > 0,
      forget: () => {
        for (const { tag } of credits) this.all.delete(tag)
      }
    }
  }
}
