import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Tracer from "effect/Tracer"
import { type Choose, Interleaver } from "./Interleaver.ts"
import { prng } from "./prng.ts"
import { Recorder } from "./Recorder.ts"

export interface Settings {
  readonly seed: number
  readonly maxSteps: number
  readonly leaks: boolean
}

export interface Outcome<A, E> {
  /** `undefined` when the main fiber did not end. */
  readonly exit: Exit.Exit<A, E> | undefined
  readonly livelock: boolean
  readonly leaked: boolean
  readonly interleaver: Interleaver
  readonly recorder: Recorder | undefined
}

/**
 * The services that tie a program to an interleaver: its clock, randomness by the seed, and the recorder when given.
 */
export const world = (interleaver: Interleaver, seed: number, recorder?: Recorder): Context.Context<never> => {
  const next = prng(~seed)
  const base = Context.make(Clock.Clock, interleaver.clock).pipe(
    Context.add(Random.Random, {
      nextDoubleUnsafe: next,
      nextIntUnsafe: () => Math.floor((next() * 2 - 1) * Number.MAX_SAFE_INTEGER)
    })
  )
  return recorder === undefined ? base : Context.add(base, Tracer.Tracer, recorder)
}

/**
 * Runs a program once, on the caller's stack, under the given choices.
 */
export const execute = <A, E>(
  program: Effect.Effect<A, E>,
  settings: Settings,
  choose: Choose,
  record: boolean
): Outcome<A, E> => {
  const interleaver = new Interleaver({ choose, maxSteps: settings.maxSteps })
  const recorder = record ? new Recorder(interleaver) : undefined
  const start = Effect.runForkWith(world(interleaver, settings.seed, recorder))
  const main = interleaver.run(() => start(program, { scheduler: interleaver }))
  recorder?.entitle(main, "main")
  interleaver.drain({ until: () => main.pollUnsafe() !== undefined, time: true })
  const exit = main.pollUnsafe()
  if (exit !== undefined && settings.leaks) interleaver.drain({ until: () => false, time: false })
  interleaver.closed = true
  return {
    exit,
    livelock: interleaver.livelock && exit === undefined,
    leaked: settings.leaks && exit !== undefined && interleaver.live.size > 0,
    interleaver,
    recorder
  }
}
