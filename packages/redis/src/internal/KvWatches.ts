import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { KvEntry, KvMachine } from "heddle/coordination"
import type { KvBackend, Lease } from "heddle/coordination"
import type { Redis } from "ioredis"
import * as Script from "./kvScript.ts"

/** What the watches need of their surroundings. */
export interface Surroundings {
  readonly subscriber: Redis
  readonly channel: string
  /** How often to ask whether a push was lost, in milliseconds. */
  readonly recheck: number
  readonly now: () => number
  readonly ring: (instant: number) => void
  /** Sends an operation; it may be sent again. */
  readonly ask: (args: Script.Args) => Effect.Effect<Script.Reply, unknown>
  /** What a failure means, or undefined for one that passes. */
  readonly refusal: (error: unknown) => Lease.StoreUnavailable | undefined
  /** `ask`, whose answer is told, and whose failure is forgotten. */
  readonly askUnsafe: (args: Script.Args, onReply: (reply: Script.Reply) => void) => void
}

interface Watcher {
  readonly target: KvBackend.Target
  readonly news: Latch.Latch
  /** All up to this revision is known. */
  seen: bigint | undefined
}

const pause = 100

/**
 * Who watches in this process. A watch reads what it has not seen, then waits for word from the server that there is more
 * for it. Nothing depends on that word: each reading goes on behind the last one, and finds it gone if the server has lost or
 * dropped what follows it.
 *
 * The end of a lease is found by whoever calls next. So that it is found in time, a process in which somebody watches calls
 * when the next lease ends.
 */
export class KvWatches {
  private readonly around: Surroundings
  private readonly all = new Set<Watcher>()
  private beatAt = Infinity
  private dueAt = Infinity
  constructor(around: Surroundings) {
    this.around = around
  }

  /** The next lease ends in this many milliseconds; -1: there is none. */
  readonly learn = (next: number): void => {
    this.dueAt = next < 0 ? Infinity : this.around.now() + next + 1
    if (this.all.size > 0) this.around.ring(this.dueAt)
  }

  /** Handles the word that there is more: the revision before it, the one now, when a lease ends, and the keys, unless many. */
  readonly hear = (message: string): void => {
    const [before, revision, next, ...keys] = JSON.parse(message) as readonly [string, string, number, ...Array<string>]
    this.learn(next)
    const known = BigInt(before)
    for (const watcher of this.all) {
      const touched = keys.length === 0 || keys.some((key) => KvMachine.isOf(watcher.target, key))
      if (touched || watcher.seen !== known) watcher.news.openUnsafe()
      else watcher.seen = BigInt(revision)
    }
  }

  /** Lets all read again: pushes may have been lost. */
  readonly wake = (): void => {
    for (const { news } of this.all) news.openUnsafe()
  }

  /** Listens again, on a connection that is new. */
  readonly listen = (): void => {
    if (this.all.size > 0) this.around.subscriber.subscribe(this.around.channel).then(this.wake, () => {})
  }

  /** Calls the server when it is time to, and answers when to look next. */
  look(): number {
    const { now, recheck, subscriber } = this.around
    if (this.all.size === 0) {
      this.beatAt = Infinity
      return Infinity
    }
    const at = now()
    if (this.beatAt <= at || this.dueAt <= at) this.check()
    if (this.beatAt <= at) {
      this.beatAt = at + recheck
      // A silent connection for publications is noticed, and replaced, by a question that it does not answer.
      subscriber.ping().catch(() => {})
    }
    if (this.dueAt <= at) this.dueAt = Infinity
    return Math.min(this.beatAt, this.dueAt)
  }

  readonly watch: KvBackend.Steps["watch"] = (target, from) =>
    Stream.unwrap(Effect.gen({ self: this }, function*() {
      const { ask, refusal } = this.around
      const watcher = yield* this.join(target)
      let start = from
      const pull: Effect.Effect<ReadonlyArray<KvEntry.Changed>, KvEntry.Compacted | Lease.StoreUnavailable> = Effect
        .suspend(() => {
          watcher.news.closeUnsafe()
          return ask(start === undefined ? Script.now : Script.since(target, start, watcher.seen))
        }).pipe(
          Effect.catch((error) => {
            const refused = refusal(error)
            return refused === undefined ? Effect.delay(Effect.undefined, pause) : Effect.fail(refused)
          }),
          Effect.flatMap((reply) => {
            if (reply === undefined) return pull
            if (start === undefined) {
              watcher.seen = Script.revisionOf(reply)
              start = watcher.seen + 1n
              return pull
            }
            const found = Script.sinceOf(reply)
            if (found._tag === "Gone") {
              const requested = watcher.seen === undefined || watcher.seen < start ? start : watcher.seen + 1n
              return Effect.fail(new KvEntry.Compacted({ requested, oldest: found.oldest }))
            }
            watcher.seen = found.seen
            if (found.changed.length > 0) return Effect.succeed(found.changed)
            return found.seen === found.revision ? Effect.andThen(watcher.news.await, pull) : pull
          })
        )
      return Stream.fromIterableEffectRepeat(pull)
    }))

  private check(): void {
    this.around.askUnsafe(Script.now, (reply) => {
      const revision = Script.revisionOf(reply)
      for (const { news, seen } of this.all) if (seen !== revision) news.openUnsafe()
    })
  }

  /** Listens before it reads, so that nothing falls between. Without a connection `listen` comes later, and wakes all. */
  private join(target: KvBackend.Target): Effect.Effect<Watcher, Lease.StoreUnavailable, Scope.Scope> {
    const { channel, now, recheck, refusal, ring, subscriber } = this.around
    const subscribe = Effect.tryPromise({ try: () => subscriber.subscribe(channel), catch: (error) => error }).pipe(
      Effect.catch((error) => {
        const refused = refusal(error)
        return refused === undefined ? Effect.void : Effect.fail(refused)
      })
    )
    return Effect.acquireRelease(
      Effect.sync((): Watcher => {
        const watcher = { target, news: Latch.makeUnsafe(false), seen: undefined }
        this.all.add(watcher)
        if (this.beatAt === Infinity) this.beatAt = now() + recheck
        ring(Math.min(this.beatAt, this.dueAt))
        return watcher
      }),
      (watcher) =>
        Effect.sync(() => {
          this.all.delete(watcher)
          if (this.all.size === 0) subscriber.unsubscribe(channel).catch(() => {})
        })
    ).pipe(Effect.tap(() => subscriber.status === "ready" ? subscribe : Effect.void))
  }
}
