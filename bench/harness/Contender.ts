/**
 * What a contender brings: a way to run a section under a lock, again and again.
 *
 * A contender is one file that exports `open`. It runs in processes of its own; lanes are its concurrent callers there.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { setTimeout } from "node:timers/promises"

/** What a section does while it holds the lock: nothing, one turn of the microtask queue, or a timer of 1 ms. */
export type Hold = "none" | "microtask" | "millisecond"

/** One caller: takes the lock of `key`, runs its section, gives it back, pauses, and begins again while `again` says so. */
export interface Lane {
  readonly key: string
  readonly hold: Hold
  /** Milliseconds between giving back and asking again; 0 asks at once. */
  readonly pause: number
  readonly again: () => boolean
  /** The first and the last thing that a section does. */
  readonly enter: () => void
  readonly leave: () => void
}

export interface Contender {
  readonly run: (lane: Lane) => Promise<void>
}

/** Connects; the process ends when the work does, so nothing is closed. */
export type Open = (url: string) => Promise<Contender>

/** A contender that has promises of two steps. */
export const fromPromises = <Taken>(
  take: (key: string) => Promise<Taken>,
  give: (key: string, taken: Taken) => Promise<unknown>
): Contender => ({
  run: async ({ again, enter, hold, key, leave, pause }) => {
    while (again()) {
      const taken = await take(key)
      enter()
      if (hold === "microtask") await Promise.resolve()
      if (hold === "millisecond") await setTimeout(1)
      leave()
      await give(key, taken)
      if (pause > 0) await setTimeout(pause)
    }
  }
})

/** A contender that wraps an effect, with what it needs provided once, as an app does. */
export const fromEffects = <E, R>(
  withLock: (key: string) => (section: Effect.Effect<void>) => Effect.Effect<void, E, R>,
  context: Context.Context<R>
): Contender => ({
  run: ({ again, enter, hold, key, leave, pause }) => {
    const inside = hold === "none"
      ? Effect.sync(() => {
        enter()
        leave()
      })
      : Effect.sync(enter).pipe(
        Effect.andThen(hold === "microtask" ? microtask : Effect.sleep(1)),
        Effect.andThen(Effect.sync(leave))
      )
    const body = pause === 0
      ? () => withLock(key)(inside)
      : () => Effect.andThen(withLock(key)(inside), Effect.sleep(pause))
    return Effect.runPromiseWith(context)(Effect.whileLoop({ while: again, body, step: () => {} }))
  }
})

/** What a layer provides, for as long as the process lives. */
export const provided = <R, E>(layer: Layer.Layer<R, E>): Promise<Context.Context<R>> =>
  Effect.runPromise(Layer.buildWithScope(layer, Scope.makeUnsafe()))

const microtask = Effect.promise(() => Promise.resolve())
