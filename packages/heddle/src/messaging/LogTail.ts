/**
 * Reads a log page by page and then waits for word that there is more, for backends that can do both.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Steps } from "./LogBackend.ts"
import { type Entry, type StoreUnavailable, Trimmed } from "./LogEntry.ts"

/**
 * What is there from an offset on, in order; empty: nothing yet. `Gone`: entries from there on are not kept, and the log begins with
 * `oldest`.
 *
 * @category models
 * @since 0.1.0
 */
export type Page =
  | { readonly _tag: "Found"; readonly entries: ReadonlyArray<Entry> }
  | { readonly _tag: "Gone"; readonly oldest: bigint }

/**
 * What a reader needs of its surroundings.
 *
 * @category models
 * @since 0.1.0
 */
export interface Surroundings {
  /** How often to look whether a word was lost, in milliseconds. `Infinity`: none can be. */
  readonly recheck: number
  /** Calls `wake` whenever there may be more, until the scope closes. Where that has to wait for a connection it calls it once it has one. */
  readonly listen: (log: string, wake: () => void) => Effect.Effect<void, StoreUnavailable, Scope.Scope>
  readonly page: (log: string, from: bigint) => Effect.Effect<Page, unknown>
  /** What a failure means, or undefined for one that passes. */
  readonly refusal: (error: unknown) => StoreUnavailable | undefined
}

const pause = 100

/**
 * Every entry from a place on. A reader listens before it reads, so that nothing falls between; it holds nothing but its place in
 * the log, however slow it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tail = ({ listen, page, recheck, refusal }: Surroundings): Steps["tail"] => (log, place) =>
  Stream.unwrap(Effect.gen(function*() {
    let { offset, since } = place
    const news = Latch.makeUnsafe(false)
    const word = recheck === Infinity ? news.await : Effect.timeoutOption(news.await, recheck)
    yield* listen(log, () => void news.openUnsafe())
    const read = Effect.suspend(() => {
      news.closeUnsafe()
      return page(log, offset)
    })
    const pull: Effect.Effect<ReadonlyArray<Entry>, StoreUnavailable | Trimmed> = read.pipe(
      Effect.catch((error) => {
        const refused = refusal(error)
        return refused === undefined ? Effect.delay(Effect.undefined, pause) : Effect.fail(refused)
      }),
      Effect.flatMap((found) => {
        if (found === undefined) return pull
        if (found._tag === "Gone") {
          const requested = offset < since ? since : offset
          if (offset >= since || found.oldest > since) {
            return Effect.fail(new Trimmed({ log, requested, oldest: found.oldest }))
          }
          offset = found.oldest
          return pull
        }
        since = offset
        const last = found.entries.at(-1)
        if (last === undefined) return Effect.andThen(word, pull)
        offset = last.offset + 1n
        return Effect.succeed(found.entries)
      })
    )
    return Stream.fromIterableEffectRepeat(pull)
  }))
