import type { Channel, Options } from "amqplib"

/** The queues of one queue of jobs. `|` is in no name of a queue of jobs. */
export const namesOf = (prefix: string, queue: string) => {
  const main = `${prefix}.jobs|${queue}`
  return { main, front: `${main}|front`, dead: `${main}|dead`, delay: (ms: number) => `${main}|in|${ms}` }
}

export type Names = ReturnType<typeof namesOf>

/** A delay has a queue of its own length, so that none waits behind a longer one: eight lengths from each power of two to the next. */
export const delays: ReadonlyArray<number> = Array.from(
  { length: 29 * 8 },
  (_, at) => (8 + at % 8) * 2 ** Math.floor(at / 8)
).filter((ms) => ms < 2 ** 32 - 1_000_000)

/** The shortest of these lengths that is enough, and what is left behind the longest. */
export const delayFor = (ms: number): { readonly length: number; readonly left: number } => {
  const longest = delays.at(-1) ?? 0
  return ms > longest
    ? { length: longest, left: ms - longest }
    : { length: delays.find((length) => length >= ms) ?? longest, left: 0 }
}

const quorum = { "x-queue-type": "quorum" }

export const lasting: Options.AssertQueue = { durable: true, arguments: quorum }

/** Dead letters are looked at and put back into their places, which only a classic queue does. */
export const letters: Options.AssertQueue = { durable: true, arguments: { "x-queue-type": "classic" } }

/** Its messages go to the main queue when their time is over, and it goes a minute after that, if nobody has asked for it again. */
export const delaying = (main: string, ms: number): Options.AssertQueue => ({
  durable: true,
  arguments: {
    ...quorum,
    "x-message-ttl": ms,
    "x-expires": ms + 60_000,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": main,
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish"
  }
})

/** What is declared on a channel is declared once. */
export class Declared {
  private readonly known = new Map<string, Promise<unknown>>()
  private readonly there = new Set<string>()
  private readonly channel: Channel
  constructor(channel: Channel) {
    this.channel = channel
  }

  queue(name: string, options: Options.AssertQueue): Promise<unknown> {
    const known = this.known.get(name)
    if (known !== undefined) return known
    const made = this.channel.assertQueue(name, options)
    this.known.set(name, made)
    made.then(() => this.there.add(name), () => this.known.delete(name))
    return made
  }

  /** Whether the server has said that it is there. */
  has(name: string): boolean {
    return this.there.has(name)
  }

  forget(name: string): void {
    this.known.delete(name)
    this.there.delete(name)
  }

  /** A queue that may go by itself is declared each time: that keeps it. */
  passing(name: string, options: Options.AssertQueue): Promise<unknown> {
    return this.channel.assertQueue(name, options)
  }
}
