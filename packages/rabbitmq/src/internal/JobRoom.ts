import type { Channel, Message } from "amqplib"
import type { Job, JobBackend } from "heddle/messaging"
import { Acks } from "./Acks.ts"
import { allOf } from "./Confirms.ts"
import { type Fetched, JobFeed } from "./JobFeed.ts"
import { encode, moved, type StoredJob } from "./jobMessage.ts"
import { Declared, delayFor, delaying, lasting, letters, type Names, namesOf } from "./jobQueues.ts"
import { oneWrite } from "./oneWrite.ts"
import { type Publisher, Refused, type Told, Unroutable } from "./Publisher.ts"

/** A job that was claimed here. */
export interface Held {
  readonly name: string
  readonly claimed: Pick<JobBackend.Held, "queue" | "id" | "token">
  readonly feed: JobFeed
  readonly fetched: Fetched
  /** The monotonic instant (ms) when the claim ends. */
  until: number
}

export const nameOf = ({ id, queue, token }: Held["claimed"]): string => `${queue} ${token} ${id}`

/** All that stands on one channel, and ends with it. */
export class JobRoom {
  readonly channel: Channel
  readonly held = new Map<string, Held>()
  readonly feeds = new Map<string, JobFeed>()
  /** What is on its way to the server and nobody waits for. */
  readonly pending = new Set<Promise<unknown>>()
  closed = false
  readonly acks: Acks<Message>
  private readonly prefix: string
  private readonly declared: Declared
  private readonly publisher: () => Publisher | undefined
  private asked: Promise<unknown> = Promise.resolve()
  private next: Promise<unknown> | undefined
  constructor(channel: Channel, publisher: () => Publisher | undefined, prefix: string) {
    this.channel = channel
    this.publisher = publisher
    this.prefix = prefix
    this.acks = new Acks(channel)
    this.declared = new Declared(channel)
    channel.once("close", () => {
      this.closed = true
      for (const feed of this.feeds.values()) feed.some.openUnsafe()
    })
    channel.on("delivery", (message) => {
      for (const feed of this.feeds.values()) if (feed.take(message)) return
    })
    // A delivery for a consumer that was cancelled is taken above, and the client does not know it.
    channel.on("handler-error", () => {})
  }

  async feed(queue: string): Promise<JobFeed> {
    const names = this.names(queue)
    await this.make(names)
    const known = this.feeds.get(queue)
    if (known !== undefined) return known
    const made = new JobFeed(this.channel, names)
    this.feeds.set(queue, made)
    return made
  }

  /** Where there is nothing to make. */
  known(queue: string): JobFeed | undefined {
    const feed = this.feeds.get(queue)
    return feed !== undefined && this.made(feed.names) ? feed : undefined
  }

  private made({ front, main }: Names): boolean {
    return this.declared.has(front) && this.declared.has(main)
  }

  /** Whoever comes first makes both: a server is confused by consumers of a queue that is being made. */
  private make({ front, main }: Names): Promise<unknown> {
    return Promise.all([this.declared.queue(front, lasting), this.declared.queue(main, lasting)])
  }

  names(queue: string): Names {
    return namesOf(this.prefix, queue)
  }

  async letters(queue: string): Promise<string> {
    const { dead } = this.names(queue)
    await this.declared.queue(dead, letters)
    return dead
  }

  /** One round trip, which those who ask meanwhile share. When it ends, all that was on its way before has come. */
  sync(): Promise<unknown> {
    return this.next ??= this.asked.catch(() => {}).then(() => {
      this.next = undefined
      this.asked = this.channel.prefetch(1)
      oneWrite(this.channel)
      return this.asked
    })
  }

  /** Puts new jobs at the end of what waits, each after its delay. Tells when the server has all of them, or of an error. */
  enqueue(queue: string, entries: ReadonlyArray<JobBackend.Entry>, told: Told): void {
    const names = this.feeds.get(queue)?.names ?? this.names(queue)
    if (!this.made(names)) {
      this.make(names).then(() => this.put(names, entries, told), told)
      return
    }
    this.put(names, entries, told)
  }

  private put(names: Names, entries: ReadonlyArray<JobBackend.Entry>, told: Told): void {
    const at = Date.now()
    const confirm = allOf(entries.length, told)
    for (const { delay, headers, id, maxAttempts, payload } of entries) {
      const job = { id, payload, headers, attempts: 0, token: 0, maxAttempts, at, left: 0 }
      if (delay === 0) this.send(names.main, job, undefined, confirm)
      else this.wait(names, job, delay).then(() => confirm(undefined), confirm)
    }
  }

  /** Puts a job at the end of what waits, after a delay. When it ends the server has the job. */
  async wait(names: Names, job: StoredJob, delay: number): Promise<void> {
    await this.make(names)
    if (delay === 0) {
      return this.publish(names.main, job)
    }
    const { left, length } = delayFor(delay)
    const name = names.delay(length)
    const put = async () => {
      await this.declared.passing(name, delaying(names.main, length))
      await this.publish(name, { ...job, left })
    }
    // A purge may have removed the queue in between.
    return put().catch(put)
  }

  /** Puts a job into a queue. When it ends the server has it there. */
  publish(name: string, job: StoredJob, failure?: Job.Failure): Promise<void> {
    return new Promise((resolve, reject) =>
      this.send(name, job, failure, (error) => error === undefined ? resolve() : reject(error))
    )
  }

  private send(name: string, job: StoredJob, failure: Job.Failure | undefined, told: Told, refused = 0): void {
    const publisher = this.publisher()
    if (publisher === undefined) return told(new Error("disconnected"))
    const { content, properties } = encode(job, failure)
    publisher.publish({ exchange: "", key: name, mandatory: true }, properties, content, (error) => {
      if (error instanceof Unroutable) {
        this.declared.forget(name)
        told(new Error(`the queue ${name} has been removed`))
      } else if (!(error instanceof Refused)) {
        told(error)
      } else if (refused === 20) {
        told(new Error(`the queue ${name} has refused the message (nacked)`))
      } else {
        // A queue that somebody is about to make refuses what comes too early.
        setTimeout(() => this.send(name, job, failure, told, refused + 1), 20)
      }
    })
  }

  /** Puts a job elsewhere. When the server has it there, it is told that it is done here. */
  async move(fetched: Fetched, put: (job: StoredJob) => Promise<void>): Promise<void> {
    await put({ ...fetched.job, left: 0, token: fetched.token + moved })
    this.done([fetched])
  }

  async bury(queue: string, fetched: Fetched, attempts: number, failure: Job.Failure): Promise<void> {
    const dead = await this.letters(queue)
    await this.move(fetched, (job) => this.publish(dead, { ...job, attempts }, failure))
  }

  done(all: ReadonlyArray<Fetched>): void {
    this.acks.done(all.map(({ message }) => message))
    oneWrite(this.channel)
    for (const fetched of all) fetched.gone()
  }

  /** They are done. When it ends the server knows. */
  finish(all: ReadonlyArray<Fetched>): Promise<unknown> {
    this.done(all)
    return this.sync()
  }

  /** Gives a job back to the server, which counts that. */
  back(fetched: Fetched): void {
    this.restore([fetched.message])
    fetched.gone()
  }

  /** Gives back what was looked at, each into its place. */
  restore(messages: ReadonlyArray<Message>): void {
    try {
      for (const message of messages) this.acks.back(message)
    } catch {
      // The channel is gone, and the server has them back.
    }
  }

  /** Gives back what was fetched and nobody has claimed, uncounted and in front of what waits. */
  async flush(feed: JobFeed, leaving = false): Promise<void> {
    const { asked, forget } = await feed.stop()
    if (!asked && feed.size === 0) return
    await this.sync()
    forget()
    if (feed.claiming > 0 && !leaving) return
    await Promise.all(
      feed.shift(feed.size).map((fetched) =>
        this.move(fetched, (job) => this.publish(feed.names.front, { ...job, attempts: fetched.attempt - 1 })).catch(
          () => this.back(fetched)
        )
      )
    )
  }

  /** Lets something go on that nobody waits for. */
  alone(work: Promise<unknown>): void {
    const ended: Promise<unknown> = work.catch(() => {}).finally(() => this.pending.delete(ended))
    this.pending.add(ended)
  }
}
