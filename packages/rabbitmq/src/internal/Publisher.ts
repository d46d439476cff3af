import type * as Amqp from "amqplib"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Message } from "heddle/messaging"
import { Socket } from "node:net"
import type { RabbitMq } from "../RabbitMq.ts"
import { type Address, Frames, type Properties } from "./Frames.ts"

/** Called once: with what went wrong, or when the server has the message. */
export type Told = (error: Error | undefined) => void

/** The server has no queue for the message. */
export class Unroutable extends Error {}

/** The queue does not take the message. */
export class Refused extends Error {}

const farewell = "1 second"

/**
 * Publishes on a channel that is used for nothing else, and hears what becomes of each message. All of one tick is one write, but for
 * what fills a piece of memory.
 *
 * The invariant: the server counts messages as this does.
 */
export class Publisher {
  private readonly frames: Frames
  private readonly open = new Map<number, Told>()
  private readonly returned = new Set<number>()
  private closed = false
  private onIdle: (() => void) | undefined
  private scheduled = false
  private count = 0
  /** All before are confirmed. */
  private first = 1
  constructor(channel: Amqp.ConfirmChannel) {
    const { mostFrame, number, stream } = wireOf(channel)
    this.frames = new Frames(number, mostFrame, (bytes) => stream.write(bytes))
    channel.on("ack", (confirmed) => this.confirm(confirmed, undefined))
    channel.on("nack", (confirmed) => this.confirm(confirmed, new Refused("refused")))
    channel.on("return", ({ properties }: Amqp.Message) => this.returned.add(Number(properties.correlationId)))
    channel.once("close", () => this.close())
  }

  publish(to: Address, properties: Properties, content: Uint8Array, told: Told): void {
    if (this.closed) return told(new Error("channel closed"))
    const tag = ++this.count
    this.frames.write(to, tag, properties, content)
    this.open.set(tag, told)
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.flush)
  }

  /** Sends what is written, and waits until the server has told of all, for a second at most: what is left then has failed. */
  readonly end: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.flush()
    this.onIdle = () => resume(Effect.void)
    this.settled()
  }).pipe(Effect.interruptible, Effect.timeoutOption(farewell), Effect.andThen(Effect.sync(() => this.close())))

  private readonly flush = (): void => {
    this.scheduled = false
    if (!this.closed) this.frames.flush()
  }

  private confirm(
    { deliveryTag, multiple }: { readonly deliveryTag: number; readonly multiple: boolean },
    error: Error | undefined
  ): void {
    if (!multiple) return this.tell(deliveryTag, error)
    for (; this.first <= deliveryTag; this.first++) this.tell(this.first, error)
  }

  private tell(tag: number, error: Error | undefined): void {
    const told = this.open.get(tag)
    if (told === undefined) return
    this.open.delete(tag)
    told(this.returned.size > 0 && this.returned.delete(tag) ? new Unroutable("no queue") : error)
    this.settled()
  }

  private close(): void {
    this.closed = true
    const open = [...this.open.values()]
    this.open.clear()
    for (const told of open) told(new Error("channel closed"))
    this.settled()
  }

  private settled(): void {
    if (this.open.size === 0) this.onIdle?.()
  }
}

/** Keeps a channel to publish on. What it answers tells of the present one. */
export const keepPublisher = (
  { keep }: RabbitMq["Service"],
  setUp: (channel: Amqp.ConfirmChannel) => Effect.Effect<unknown, Message.StoreUnavailable>
): Effect.Effect<() => Publisher | undefined, Message.StoreUnavailable, Scope.Scope> => {
  let present: Publisher | undefined
  const publishing = (channel: Amqp.ConfirmChannel) =>
    Effect.acquireRelease(
      Effect.sync(() => present = new Publisher(channel)),
      (publisher) =>
        Effect.suspend(() => {
          present = undefined
          return publisher.end
        })
    )
  return Effect.as(
    keep(
      (connection) => connection.createConfirmChannel(),
      (channel) => Effect.asVoid(Effect.andThen(setUp(channel), publishing(channel)))
    ),
    () => present
  )
}

/** What the client has no method for: the number of a channel, the socket, and the size of the frames that both have agreed on. */
const wireOf = (channel: Amqp.ConfirmChannel): {
  readonly number: number
  readonly stream: Socket
  readonly mostFrame: number
} => {
  const { connection } = channel
  if (
    "ch" in channel && typeof channel.ch === "number" && "stream" in connection &&
    connection.stream instanceof Socket &&
    "frameMax" in connection && typeof connection.frameMax === "number"
  ) {
    return { number: channel.ch, stream: connection.stream, mostFrame: connection.frameMax }
  }
  throw new Error("this is not the amqplib that the package asks for")
}
