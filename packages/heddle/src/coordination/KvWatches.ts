/**
 * Those who watch a key-value store on a server, for backends that keep a log of the last revisions and send word of new ones.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Steps, Target } from "./KvBackend.ts"
import type { Changed } from "./KvEntry.ts"
import { Compacted } from "./KvEntry.ts"
import { isOf } from "./KvMachine.ts"
import type { StoreUnavailable } from "./Lease.ts"

/**
 * What the log has of a target from a revision on: all up to `seen`, where the store is at `revision`. `Gone`: a revision that was
 * asked for is not kept, or what was seen was undone.
 *
 * @category models
 * @since 0.1.0
 */
export type Found =
  | {
    readonly _tag: "Found"
    readonly seen: bigint
    readonly revision: bigint
    readonly changed: ReadonlyArray<Changed>
  }
  | { readonly _tag: "Gone"; readonly oldest: bigint }

/**
 * The word that the store has come from one revision to another. `next`: in how many milliseconds the next lease ends, -1 where
 * there is none. `keys`: which were changed; empty where that is not told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Word {
  readonly before: bigint
  readonly revision: bigint
  readonly next: number
  readonly keys: ReadonlyArray<string>
}

/**
 * What the watches need of their surroundings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Surroundings {
  /** How often to ask whether a word was lost, in milliseconds. */
  readonly recheck: number
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
  /** Hears of commits until the scope closes. Where that has to wait for a connection it calls `wake` once it does. */
  readonly listen: Effect.Effect<void, StoreUnavailable, Scope.Scope>
  /** The store's revision. */
  readonly revision: Effect.Effect<bigint, unknown>
  /** What the log has from a revision on, for one that knows all up to `seen`; undefined: that does not know yet. */
  readonly since: (target: Target, from: bigint, seen: bigint | undefined) => Effect.Effect<Found, unknown>
  /** What a failure means, or undefined for one that passes. */
  readonly refusal: (error: unknown) => StoreUnavailable | undefined
  /** Asks for the store's revision; a failure is forgotten. */
  readonly check: (onRevision: (revision: bigint) => void) => void
}

interface Watcher {
  readonly target: Target
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
 *
 * @category models
 * @since 0.1.0
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

  /** Handles the word of a commit. */
  hear({ before, keys, next, revision }: Word): void {
    this.learn(next)
    for (const watcher of this.all) {
      const touched = keys.length === 0 || keys.some((key) => isOf(watcher.target, key))
      if (touched || watcher.seen !== before) watcher.news.openUnsafe()
      else watcher.seen = revision
    }
  }

  /** Lets all read again: pushes may have been lost. */
  readonly wake = (): void => {
    for (const { news } of this.all) news.openUnsafe()
  }

  /** Calls the server when it is time to, and answers when to look next. */
  look(): number {
    if (this.all.size === 0) {
      this.beatAt = Infinity
      return Infinity
    }
    const at = this.around.now()
    if (this.beatAt <= at || this.dueAt <= at) this.check()
    if (this.beatAt <= at) this.beatAt = at + this.around.recheck
    if (this.dueAt <= at) this.dueAt = Infinity
    return Math.min(this.beatAt, this.dueAt)
  }

  readonly watch: Steps["watch"] = (target, from) =>
    Stream.unwrap(Effect.gen({ self: this }, function*() {
      const { refusal, revision, since } = this.around
      const watcher = yield* this.join(target)
      let start = from
      const read = Effect.suspend((): Effect.Effect<Found, unknown> => {
        watcher.news.closeUnsafe()
        if (start !== undefined) return since(target, start, watcher.seen)
        return Effect.map(revision, (seen) => {
          start = seen + 1n
          return { _tag: "Found", seen, revision: seen, changed: [] }
        })
      })
      const pull: Effect.Effect<ReadonlyArray<Changed>, Compacted | StoreUnavailable> = read.pipe(
        Effect.catch((error) => {
          const refused = refusal(error)
          return refused === undefined ? Effect.delay(Effect.undefined, pause) : Effect.fail(refused)
        }),
        Effect.flatMap((found) => {
          if (found === undefined) return pull
          if (found._tag === "Gone") {
            const [first = 0n, seen = -1n] = [start, watcher.seen]
            return Effect.fail(new Compacted({ requested: first > seen ? first : seen + 1n, oldest: found.oldest }))
          }
          watcher.seen = found.seen
          if (found.changed.length > 0) return Effect.succeed(found.changed)
          return found.seen === found.revision ? Effect.andThen(watcher.news.await, pull) : pull
        })
      )
      return Stream.fromIterableEffectRepeat(pull)
    }))

  private check(): void {
    this.around.check((revision) => {
      for (const { news, seen } of this.all) if (seen !== revision) news.openUnsafe()
    })
  }

  /** Listens before it reads, so that nothing falls between. */
  private join(target: Target): Effect.Effect<Watcher, StoreUnavailable, Scope.Scope> {
    const { listen, now, recheck, ring } = this.around
    return Effect.acquireRelease(
      Effect.sync((): Watcher => {
        const watcher = { target, news: Latch.makeUnsafe(false), seen: undefined }
        this.all.add(watcher)
        if (this.beatAt === Infinity) this.beatAt = now() + recheck
        ring(Math.min(this.beatAt, this.dueAt))
        return watcher
      }),
      (watcher) => Effect.sync(() => this.all.delete(watcher))
    ).pipe(Effect.tap(() => listen))
  }
}
