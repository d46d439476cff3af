import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Hearer, Subscriber } from "./Subscriber.ts"

interface Room {
  readonly hearer: Hearer
  readonly wakes: Set<(message: string) => void>
  /** Settles when the channel is heard, or will be later: then it is asked for again by who listens next. */
  joined: Promise<void> | undefined
  /** When nobody listens any more: the monotonic instant (ms) until which it is heard all the same. */
  until: number
}

/** Milliseconds for which a channel is still heard after its last listener: an idle worker listens anew after each job. */
const linger = 10_000

/** Who waits for news of which queue. */
export class JobNews {
  private readonly rooms = new Map<string, Room>()
  private readonly subscriber: Subscriber
  private readonly now: () => number
  private readonly ring: (instant: number) => void
  /** When the connection was last asked for an answer, which tells whether it has fallen silent. */
  private checked = -Infinity
  /** `ring` asks for a `look` at that instant. */
  constructor(subscriber: Subscriber, now: () => number, ring: (instant: number) => void) {
    this.subscriber = subscriber
    this.now = now
    this.ring = ring
  }

  /** Calls `wake` with each message, and with none when it may have missed one, until the scope closes. */
  listen(channel: string, wake: (message: string) => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.flatMap(
      Effect.acquireRelease(Effect.sync(() => this.enter(channel, wake)), (room) =>
        Effect.sync(() => {
          room.wakes.delete(wake)
          if (room.wakes.size > 0) return
          room.until = this.now() + linger
          this.ring(room.until)
        })),
      ({ joined }) => Effect.interruptible(Effect.promise(() => Promise.resolve(joined)))
    )
  }

  /** Leaves the channels that nobody has listened to for long, and answers when to look next. */
  look(): number {
    const now = this.now()
    let next = Infinity
    for (const [channel, { hearer, until, wakes }] of this.rooms) {
      if (wakes.size > 0) continue
      if (until > now) next = Math.min(next, until)
      else {
        this.rooms.delete(channel)
        this.subscriber.leave(channel, hearer)
      }
    }
    return next
  }

  /** Leaves all. */
  close(): void {
    for (const [channel, { hearer }] of this.rooms) this.subscriber.leave(channel, hearer)
    this.rooms.clear()
  }

  private enter(channel: string, wake: (message: string) => void): Room {
    let room = this.rooms.get(channel)
    if (room === undefined) {
      const wakes = new Set<(message: string) => void>()
      const all = (message: string) => wakes.forEach((wake) => wake(message))
      room = { hearer: { onMessage: all, onAgain: () => all("") }, wakes, joined: undefined, until: Infinity }
      this.rooms.set(channel, room)
    }
    room.wakes.add(wake)
    this.join(channel, room)
    return room
  }

  private join(channel: string, room: Room): void {
    const now = this.now()
    if (room.joined === undefined) {
      // Without a connection it is heard once there is one, and `onAgain` tells so.
      room.joined = this.subscriber.join(channel, room.hearer, false).catch(() => {
        room.joined = undefined
      })
    } else if (now - this.checked >= linger) this.subscriber.ping()
    else return
    this.checked = now
  }
}
