import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { world } from "./execute.ts"
import { Interleaver } from "./Interleaver.ts"
import { Recorder } from "./Recorder.ts"
import { first } from "./strategies.ts"

export interface Subject<W, A, E, E2, E3> {
  readonly setup: Effect.Effect<W, E2, Scope.Scope>
  readonly program: (world: W) => Effect.Effect<A, E>
  readonly invariant: (world: W, exit: Exit.Exit<A, E>) => Effect.Effect<unknown, E3>
  readonly maxSteps: number
  readonly leaks: boolean
}

/** Interrupt the main fiber, or whoever is about to step, at the `at`-th point of the program; 0 is never. */
export interface Strike {
  readonly at: number
  readonly victim: "main" | "next"
}

/** What went wrong, `exit` being that of the part it went wrong in. */
export interface Wrong {
  readonly kind: "setup" | "invariant" | "hang" | "livelock" | "leak"
  readonly exit: Exit.Exit<unknown, unknown> | undefined
}

export interface Struck {
  readonly wrong: Wrong | undefined
  readonly points: number
  /** The points at which a fiber other than the main one was about to step. */
  readonly others: ReadonlyArray<number>
  readonly recorder: Recorder | undefined
}

/**
 * Sets up a world, runs the program in it with one interruption, lets it end, and asks whether the invariant holds.
 */
export const strike = <W, A, E, E2, E3>(
  subject: Subject<W, A, E, E2, E3>,
  { at, victim }: Strike,
  record: boolean
): Struck => {
  let counting = false
  let points = 0
  let main: Fiber.Fiber<unknown, unknown> | undefined
  let struck: Fiber.Fiber<unknown, unknown> | undefined
  const others: Array<number> = []
  const interleaver = new Interleaver({
    choose: first,
    maxSteps: subject.maxSteps,
    onPoint: (next) => {
      if (!counting) return false
      main ??= next
      if (main?.pollUnsafe() !== undefined) return false
      points++
      if (next !== undefined && next !== main) others.push(points)
      if (points !== at) return false
      struck = victim === "main" ? main : next
      return true
    },
    interject: () => {
      const actor = struck === undefined ? undefined : interleaver.actorOf(struck)
      if (actor !== undefined) recorder?.note(`${recorder.name(actor)} is interrupted`)
      struck?.interruptUnsafe()
    }
  })
  const recorder = record ? new Recorder(interleaver) : undefined
  const start = Effect.runForkWith(world(interleaver, 0, recorder))

  /** Runs an effect until it ends; `undefined` when it does not. */
  const phase = <B, F>(title: string, effect: Effect.Effect<B, F>): Exit.Exit<B, F> | undefined => {
    const fiber = interleaver.run(() => start(effect, { scheduler: interleaver }))
    recorder?.entitle(fiber, title)
    interleaver.drain({ until: () => fiber.pollUnsafe() !== undefined, time: true })
    return fiber.pollUnsafe()
  }

  /** Lets those go on who can without time passing. */
  const settle = () => interleaver.drain({ until: () => false, time: false })

  const judge = (): Wrong | undefined => {
    const scope = Scope.makeUnsafe()
    const made = phase("setup", Scope.provide(subject.setup, scope))
    if (made === undefined || Exit.isFailure(made)) return { kind: "setup", exit: made }
    settle()
    const residents = new Set(interleaver.live)
    counting = true
    const exit = phase("main", Effect.flatMap(Effect.succeed(made.value), subject.program))
    counting = false
    if (exit === undefined) return { kind: interleaver.livelock ? "livelock" : "hang", exit }
    settle()
    const held = phase("invariant", Effect.flatMap(Effect.succeed(exit), (exit) => subject.invariant(made.value, exit)))
    if (held === undefined || Exit.isFailure(held)) return { kind: "invariant", exit: held }
    const closed = phase("close", Scope.close(scope, Exit.void))
    if (closed === undefined || Exit.isFailure(closed)) return { kind: "setup", exit: closed }
    settle()
    const leaked = subject.leaks && Array.from(interleaver.live).some((actor) => !residents.has(actor))
    return leaked ? { kind: "leak", exit } : undefined
  }

  const wrong = judge()
  interleaver.closed = true
  return { wrong, points, others, recorder }
}
