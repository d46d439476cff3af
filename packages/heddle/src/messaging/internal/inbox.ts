import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { Waiters } from "../../flow/internal/Waiters.ts"
import type { Inlet } from "../BrokerBackend.ts"
import { type Gap, type Message, SubscriberTooSlow, type SubscriptionStats, type WhenFull } from "../Message.ts"
import type { MessageTally } from "./brokerMetrics.ts"

/** How an inbox keeps what its reader has not taken. */
export interface Settings {
  readonly pattern: string
  readonly buffer: number
  readonly whenFull: WhenFull
}

/** What one subscription has received and its reader has not taken: received = delivered + dropped + waiting. */
export class Inbox implements Inlet {
  private readonly settings: Settings
  private readonly tally: MessageTally
  /** In order. A gap takes no room. */
  private items: Array<Message | Gap> = []
  /** Where the first of the items is: those before it were dropped. */
  private first = 0
  private readonly readers = new Waiters()
  private readonly publishers = new Waiters()
  private over: Cause.Done | SubscriberTooSlow | undefined
  private received = 0
  private dropped = 0
  private waiting = 0
  private reconnections = 0
  /** How many were dropped before the first of the items. */
  private lost = 0

  constructor(settings: Settings, tally: MessageTally) {
    this.settings = settings
    this.tally = tally
  }

  readonly take = (message: Message): void => {
    if (this.over !== undefined) return
    this.received++
    this.tally.received++
    if (this.waiting >= this.settings.buffer && this.refuses()) return
    this.items.push(message)
    this.waiting++
    this.readers.wakeAll()
  }

  /** Makes room, or drops the message that came. */
  private refuses(): boolean {
    switch (this.settings.whenFull) {
      case "wait":
        return false
      case "dropOldest":
        this.dropFirst()
        return false
      case "dropNewest":
        this.drop()
        this.gapLast()
        return true
      case "fail":
        this.drop()
        this.end(new SubscriberTooSlow({ pattern: this.settings.pattern, buffer: this.settings.buffer }))
        return true
    }
  }

  private drop(): void {
    this.dropped++
    this.tally.dropped++
  }

  /** The oldest message goes; a gap before it stays where it is told. */
  private dropFirst(): void {
    let at = this.first
    while (this.items[at]?._tag === "Gap") at++
    this.waiting--
    this.drop()
    this.lost++
    if (at === this.first) this.pass()
    else this.items.splice(at, 1)
  }

  private get last(): Message | Gap | undefined {
    return this.items.length > this.first ? this.items.at(-1) : undefined
  }

  private gapLast(): void {
    const last = this.last
    const more = last?._tag === "Gap" && last.cause === "SlowSubscriber" ? last.lost : 0
    const gap: Gap = { _tag: "Gap", cause: "SlowSubscriber", lost: more + 1 }
    if (more === 0) this.items.push(gap)
    else this.items[this.items.length - 1] = gap
  }

  readonly reconnected = (): void => {
    if (this.over !== undefined) return
    this.reconnections++
    const last = this.last
    if (last?._tag === "Gap" && last.cause === "Reconnected") return
    this.items.push({ _tag: "Gap", cause: "Reconnected" })
    this.readers.wakeAll()
  }

  private get hasRoom(): boolean {
    return this.settings.whenFull !== "wait" || this.waiting < this.settings.buffer || this.over !== undefined
  }

  readonly room: Effect.Effect<void> = Effect.suspend(() =>
    this.hasRoom ? Effect.void : this.publishers.until(() => this.hasRoom)
  )

  /** Nothing more comes; what there is can be read. */
  end(why: Cause.Done | SubscriberTooSlow): void {
    if (this.over !== undefined) return
    this.over = why
    this.readers.wakeAll()
    this.publishers.wakeAll()
  }

  /** The next, as soon as there is one: one by one, so that a reader who ends leaves the rest to another. */
  readonly pull: Effect.Effect<NonEmptyReadonlyArray<Message | Gap>, Cause.Done | SubscriberTooSlow> = Effect.suspend(
    () => {
      const next = this.shift()
      if (next !== undefined) return Effect.succeed([next])
      if (this.over !== undefined) return Effect.fail(this.over)
      return Effect.andThen(
        this.readers.until(() => this.items.length > this.first || this.over !== undefined),
        this.pull
      )
    }
  )

  private shift(): Message | Gap | undefined {
    if (this.lost > 0) {
      const gap: Gap = { _tag: "Gap", cause: "SlowSubscriber", lost: this.lost }
      this.lost = 0
      return gap
    }
    const item = this.items[this.first]
    if (item === undefined) return undefined
    this.pass()
    if (item._tag === "Message") {
      this.waiting--
      this.publishers.wakeAll()
    }
    return item
  }

  /** The first of the items is no longer needed. Those that went are dropped from the array when they are most of it. */
  private pass(): void {
    this.first++
    if (this.first < 32 || this.first * 2 < this.items.length) return
    this.items = this.items.slice(this.first)
    this.first = 0
  }

  get stats(): SubscriptionStats {
    const { dropped, received, reconnections: reconnected, waiting } = this
    return { received, delivered: received - dropped - waiting, dropped, waiting, reconnected }
  }
}
