import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type { InvalidOption } from "../../internal/InvalidOption.ts"
import { monotonic } from "../../internal/monotonic.ts"
import { type Tally, tally } from "../../internal/Tally.ts"
import type { Change, CircuitBreaker, Family, Options, Outcome, State } from "../CircuitBreaker.ts"
import { checkBreaker } from "./breakerOptions.ts"
import { toMillis } from "./check.ts"
import { Circuit } from "./Circuit.ts"
import { CircuitOpen } from "./CircuitOpen.ts"
import { openTime } from "./OpenTime.ts"
import { withoutStack } from "./refusal.ts"
import { tripWindow } from "./tripWindow.ts"

/** What the circuits of one `make` or `family` share. */
export interface Around<E> {
  readonly options: Options<E>
  readonly now: () => number
  readonly changes: PubSub.PubSub<Change>
  readonly calls: Tally<Outcomes>
  readonly turns: Tally<State>
  readonly refusing: Tally<"open">
}

type Outcomes = "success" | "failure" | "ignored" | "refused"

const callsOf = tally("heddle_circuit_breaker_calls_total", {
  description: "Calls, by how they ended; refused ones did not run",
  type: "counter",
  label: "breaker",
  by: "outcome",
  zero: { success: 0, failure: 0, ignored: 0, refused: 0 }
})
const turnsOf = tally("heddle_circuit_breaker_changes_total", {
  description: "Changes of a circuit's state, by the state that it went to",
  type: "counter",
  label: "breaker",
  by: "to",
  zero: { "closed": 0, "open": 0, "half-open": 0, "isolated": 0 }
})
const refusingOf = tally("heddle_circuit_breaker_open", {
  description: "Circuits that are not closed",
  type: "gauge",
  label: "breaker",
  zero: { open: 0 }
})

export const around = <E>(options: Options<E>, most?: number): Effect.Effect<Around<E>, InvalidOption> =>
  Effect.andThen(
    checkBreaker(options, most),
    Effect.contextWith((context: Context.Context<never>) =>
      Effect.map(PubSub.unbounded<Change>(), (changes) => ({
        options,
        now: monotonic(Context.get(context, Clock.Clock)),
        changes,
        calls: callsOf(context, options.name),
        turns: turnsOf(context, options.name),
        refusing: refusingOf(context, options.name)
      }))
    )
  )

/** A circuit, and what its users see of it. */
interface Made<E> {
  readonly circuit: Circuit
  readonly breaker: CircuitBreaker<E>
}

export const breakerOf = <E>(shared: Around<E>, name: string): Made<E> => {
  const { changes, now, options, refusing, turns } = shared
  const { observeOnly = false, openFor = "10 seconds", successes = 3, probes = successes, trip } = options
  const classify = options.classify ?? byExit
  const slowAfter = trip?._tag === "Rate" && trip.slow !== undefined ? toMillis(trip.slow.than) : Infinity
  const timed = slowAfter < Infinity
  const mine: Tally<Outcomes> = { success: 0, failure: 0, ignored: 0, refused: 0 }
  let isolations = 0

  const told = (from: State, to: State) => {
    turns[to]++
    if (from === "closed") refusing.open++
    else if (to === "closed") refusing.open--
    PubSub.publishUnsafe(changes, { name, from, to })
  }
  const circuit = new Circuit({
    window: tripWindow(trip ?? { _tag: "Consecutive", failures: 5 }),
    openFor: openTime(openFor),
    successes,
    probes,
    now,
    // While it is isolated nobody sees what is behind.
    changed: (from, to) => {
      if (isolations === 0) told(from, to)
    }
  })
  const look = (): State => isolations > 0 ? "isolated" : circuit.look()

  const count = (outcome: Outcomes) => {
    mine[outcome]++
    shared.calls[outcome]++
  }
  const settle = <A, E1 extends E>(generation: number, since: number, exit: Exit.Exit<A, E1>) => {
    const outcome = !Exit.isSuccess(exit) && Cause.hasInterruptsOnly(exit.cause) ? ignored : classify(exit)
    count(outcomes[outcome._tag])
    return circuit.ended(generation, outcome, timed && now() - since > slowAfter)
  }
  const guarded = <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>, generation: number): Effect.Effect<A, E1, R> => {
    const since = timed ? now() : 0
    return Effect.onExitPrimitive(call, (exit) => settle(generation, since, exit))
  }

  // Refusals of one millisecond are one value.
  let refusal: Effect.Effect<never, CircuitOpen> | undefined
  let refused: State | undefined
  let left = 0
  const refuse = (): Effect.Effect<never, CircuitOpen> => {
    count("refused")
    const state = isolations > 0 ? "isolated" : circuit.phase === "open" ? "open" : "half-open"
    const retryAfter = state === "isolated" ? Infinity : Math.max(0, Math.ceil(circuit.until - now()))
    if (refusal === undefined || state !== refused || retryAfter !== left) {
      refused = state
      left = retryAfter
      refusal = Effect.fail(withoutStack(() => new CircuitOpen({ name, state, retryAfter })))
    }
    return refusal
  }

  // The place of a probe is taken and its end awaited as one step, so that no interruption comes between.
  const probed = <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>): Effect.Effect<A, E1 | CircuitOpen, R> =>
    Effect.uninterruptibleMask((restore): Effect.Effect<A, E1 | CircuitOpen, R> =>
      isolations === 0 && circuit.enter()
        ? guarded(restore(call), circuit.generation)
        : observeOnly
        ? restore(guarded(call, -1))
        : refuse()
    )

  const breaker: CircuitBreaker<E> = {
    name,
    run: (call) =>
      Effect.suspend(() =>
        circuit.phase === "closed" && isolations === 0 ? guarded(call, circuit.generation) : probed(call)
      ),
    state: Effect.sync(look),
    calls: Effect.sync(() => ({ ...mine })),
    changes: Stream.filter(Stream.fromPubSub(changes), (change) => change.name === name),
    isolate: Effect.acquireRelease(
      Effect.sync(() => {
        const phase = circuit.look()
        if (isolations++ === 0) told(phase, "isolated")
      }),
      () =>
        Effect.sync(() => {
          const phase = circuit.look()
          if (--isolations === 0) told("isolated", phase)
        })
    ),
    reset: Effect.sync(() => circuit.close())
  }
  return { breaker, circuit }
}

export const breakerFamily = <E>(shared: Around<E>, name: string, most = 10_000): Family<E> => {
  const all = new Map<string, Made<E>>()
  // A circuit that is open is kept for as long as one of the hundred oldest is not.
  const forget = () => {
    const oldest = Array.from(firstOf(all, 100))
    const [key, made] = oldest.find(([, { circuit }]) => circuit.phase === "closed") ?? oldest[0] ?? []
    made?.circuit.close()
    if (key !== undefined) all.delete(key)
  }
  return {
    get: (key) => {
      const found = all.get(key)
      const made = found ?? breakerOf(shared, `${name}/${key}`)
      if (found === undefined && all.size >= most) forget()
      all.delete(key)
      all.set(key, made)
      return made.breaker
    },
    changes: Stream.fromPubSub(shared.changes)
  }
}

export const outcomes = { Success: "success", Failure: "failure", Ignored: "ignored" } as const
const ignored: Outcome = { _tag: "Ignored" }
const success: Outcome = { _tag: "Success" }
const failure: Outcome = { _tag: "Failure" }
export const byExit = (exit: Exit.Exit<unknown, unknown>): Outcome => Exit.isSuccess(exit) ? success : failure

function* firstOf<A>(all: Iterable<A>, count: number): Generator<A> {
  for (const one of all) {
    if (count-- === 0) return
    yield one
  }
}
