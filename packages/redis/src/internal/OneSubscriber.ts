import type { Redis } from "ioredis"
import { exactly } from "./leaseKeys.ts"
import { type Hearer, Hearers, type Subscriber } from "./Subscriber.ts"

/** Hears what one server publishes. Where it has to tell that somebody hears, he subscribes by pattern: it counts those. */
export class OneSubscriber implements Subscriber {
  readonly sharded = false
  private readonly client: Redis
  private readonly plain = new Hearers()
  private readonly patterns = new Hearers()
  constructor(client: Redis) {
    this.client = client
    client.on("message", this.plain.tell)
    client.on("pmessage", (pattern: string, _: string, message: string) => this.patterns.tell(pattern, message))
    client.on("close", () => {
      this.plain.channels.forEach(this.plain.lost)
      this.patterns.channels.forEach(this.patterns.lost)
    })
    client.on("ready", () => {
      const { patterns: { channels: patterns }, plain: { channels } } = this
      if (channels.length > 0) client.subscribe(...channels).then(() => channels.forEach(this.plain.again), ignore)
      if (patterns.length > 0) client.psubscribe(...patterns).then(() => patterns.forEach(this.patterns.again), ignore)
    })
  }

  async join(channel: string, hearer: Hearer, watched: boolean): Promise<void> {
    if (watched) return await this.joinPattern(exactly(channel), hearer)
    this.plain.add(channel, hearer)
    await this.client.subscribe(channel)
  }

  leave(channel: string, hearer: Hearer): void {
    if (this.plain.remove(channel, hearer)) this.client.unsubscribe(channel).catch(ignore)
    this.leavePattern(exactly(channel), hearer)
  }

  async joinPattern(pattern: string, hearer: Hearer): Promise<void> {
    this.patterns.add(pattern, hearer)
    await this.client.psubscribe(pattern)
  }

  leavePattern(pattern: string, hearer: Hearer): void {
    if (this.patterns.remove(pattern, hearer)) this.client.punsubscribe(pattern).catch(ignore)
  }

  ping(): void {
    this.client.ping().catch(ignore)
  }
}

const ignore = () => {}
