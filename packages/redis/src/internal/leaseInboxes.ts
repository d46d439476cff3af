import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Lease } from "heddle/coordination"
import type { LeaseKeys } from "./leaseKeys.ts"
import { slotOf, tagOf } from "./slots.ts"
import type { Hearer, Subscriber } from "./Subscriber.ts"

/** Where the grants of a session are heard. */
export interface Inboxes {
  /** What the channel of an inbox begins with, as it is published for that key; the session comes behind it. */
  readonly channelOf: (key: string) => string
  /** Since which monotonic instant (ms) grants for that key are heard. Infinity: from now on that is seen to, and told. */
  readonly since: (key: string) => number
  /** Stops to hear what is for no key of these. */
  readonly keep: (keys: ReadonlySet<string>) => void
}

/** What the inboxes need of their surroundings. */
export interface Surroundings {
  readonly subscriber: Subscriber
  readonly session: string
  readonly keys: LeaseKeys
  readonly now: () => number
  readonly failure: (error: unknown) => Lease.StoreUnavailable
  readonly onPush: (line: string) => void
  /** Told when grants may have been lost: for those keys, or for all. */
  readonly onGap: (concerned: (key: string) => boolean) => void
}

/** One inbox, on a server. It is heard from the beginning. */
const one = ({ failure, keys, onGap, onPush, session, subscriber }: Surroundings) =>
  Effect.gen(function*() {
    const channel = keys.inbox(session)
    const hearer: Hearer = { onMessage: linesTo(onPush), onAgain: () => onGap(() => true) }
    yield* Effect.addFinalizer(() => Effect.sync(() => subscriber.leave(channel, hearer)))
    yield* Effect.tryPromise({ try: () => subscriber.join(channel, hearer, false), catch: failure })
    const prefix = keys.inbox("")
    const inboxes: Inboxes = { channelOf: () => prefix, since: () => -Infinity, keep: () => {} }
    return inboxes
  })

interface Inbox {
  readonly hearer: Hearer
  since: number
}

/** An inbox in each slot of a cluster in which somebody waits, from his first wait there on. */
const sharded = ({ keys, now, onGap, onPush, session, subscriber }: Surroundings) =>
  Effect.gen(function*() {
    const inboxes = new Map<number, Inbox>()
    const channelOf = (slot: number) => keys.inbox(session, tagOf(slot))
    const open = (slot: number): Inbox => {
      const heard = () => {
        inbox.since = now()
        onGap((key) => slotOf(key) === slot)
      }
      const inbox: Inbox = { hearer: { onMessage: linesTo(onPush), onAgain: heard }, since: Infinity }
      inboxes.set(slot, inbox)
      subscriber.join(channelOf(slot), inbox.hearer, false).then(heard, () => {})
      return inbox
    }
    const close = (slot: number, { hearer }: Inbox): void => {
      inboxes.delete(slot)
      subscriber.leave(channelOf(slot), hearer)
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => inboxes.forEach((inbox, slot) => close(slot, inbox))))
    const all: Inboxes = {
      channelOf: (key) => keys.inbox("", tagOf(slotOf(key))),
      since: (key) => {
        const slot = slotOf(key)
        return (inboxes.get(slot) ?? open(slot)).since
      },
      keep: (used) => {
        const slots = new Set([...used].map(slotOf))
        for (const [slot, inbox] of inboxes) if (!slots.has(slot)) close(slot, inbox)
      }
    }
    return all
  })

export const leaseInboxes = (
  around: Surroundings
): Effect.Effect<Inboxes, Lease.StoreUnavailable, Scope.Scope> =>
  around.subscriber.sharded ? sharded(around) : one(around)

const linesTo = (onPush: (line: string) => void) => (message: string): void => message.split("\n").forEach(onPush)
