import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { monotonic } from "../../internal/monotonic.ts"

/** Under which key the calls of a fiber are kept; those without one are not. */
export const Key = Context.Reference<string | undefined>("heddle/Policy/CacheKey", { defaultValue: () => undefined })

export interface Settings<Value> {
  readonly most: number
  /** Milliseconds. */
  readonly timeToLive: number
  readonly keeps: (value: unknown) => value is Value
}

interface Answer<Value> {
  readonly value: Value
  readonly until: number
}

export const cached = <Value>(settings: Settings<Value>): Effect.Effect<Cached<Value>> =>
  Effect.map(Clock.Clock, (clock) => new Cached(settings, monotonic(clock)))

/**
 * Runs calls through a cache; calls of one key that come while the first one runs wait for it. Effect's `Cache` knows one lookup for all
 * keys when it is made, and its `set` starts a fiber; here each call brings its own.
 */
export class Cached<Value> {
  private readonly settings: Settings<Value>
  private readonly now: () => number
  /** The one that was asked for least recently comes first. */
  private readonly answers = new Map<string, Answer<Value>>()
  private readonly firsts = new Map<string, Deferred.Deferred<void>>()
  constructor(settings: Settings<Value>, now: () => number) {
    this.settings = settings
    this.now = now
  }

  readonly run = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A | Value, E, R> =>
    Effect.flatMap(Key, (key) => {
      if (key === undefined) return call
      const answer = this.find(key)
      return answer === undefined ? this.ask(key, call) : Effect.succeed(answer.value)
    })

  private ask<A, E, R>(key: string, call: Effect.Effect<A, E, R>): Effect.Effect<A | Value, E, R> {
    // What is inside belongs to this call: with its key it would wait for itself.
    const made = Effect.map(Effect.provideService(call, Key, undefined), (value) => this.keep(key, value))
    const known = Effect.suspend((): Effect.Effect<A | Value, E, R> => {
      const answer = this.find(key)
      // One wait is enough: where the first one failed, each asks for itself.
      return answer === undefined ? made : Effect.succeed(answer.value)
    })
    return Effect.suspend(() => {
      let mine: Deferred.Deferred<void> | undefined
      // What ends the wait of the others is there before the first one begins, so no interruption comes between.
      return Effect.onExitPrimitive(
        Effect.suspend(() => {
          const first = this.firsts.get(key)
          if (first !== undefined) return Effect.andThen(Deferred.await(first), known)
          this.firsts.set(key, mine = Deferred.makeUnsafe<void>())
          return known
        }),
        () => {
          if (mine === undefined) return undefined
          this.firsts.delete(key)
          Deferred.doneUnsafe(mine, Exit.void)
          return undefined
        }
      )
    })
  }

  private find(key: string): Answer<Value> | undefined {
    const answer = this.answers.get(key)
    if (answer === undefined) return undefined
    this.answers.delete(key)
    if (answer.until <= this.now()) return undefined
    this.answers.set(key, answer)
    return answer
  }

  private keep<A>(key: string, value: A): A {
    const { keeps, most, timeToLive } = this.settings
    if (!keeps(value)) return value
    this.answers.delete(key)
    this.answers.set(key, { value, until: this.now() + timeToLive })
    for (const oldest of this.answers.keys()) {
      if (this.answers.size <= most) break
      this.answers.delete(oldest)
    }
    return value
  }
}
