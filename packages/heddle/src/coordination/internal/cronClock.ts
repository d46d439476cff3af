import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { traced } from "../../internal/traced.ts"
import type { CronError, Needs, Tick } from "../Cron.ts"
import type { InvalidKey, Undecodable } from "../KvEntry.ts"
import { KvStore } from "../KvStore.ts"
import type { Leadership } from "../LeaderElection.ts"
import { LeaseStore } from "../LeaseStore.ts"
import type { CronRequest } from "./cronRequest.ts"
import { leading } from "./electionRun.ts"
import { TypedKv } from "./kvTyped.ts"

/**
 * The last tick that was begun, and the term of the process that leads. Nobody of an earlier term writes it any more: so a
 * tick is begun once, whatever a process believes of itself.
 */
const State = Schema.Struct({ last: Schema.Int, term: Schema.BigInt })

const states = new TypedKv({ namespace: "heddle/cron", schema: State })

const ticks = Metric.counter("heddle_cron_ticks_total", {
  description: "Ticks that this process began, by how they ended",
  incremental: true
})

/** Leads, and for as long as it does runs the effect at each tick. `insists`: also a first campaign is tried again. */
export const keepTime = <A, E, R>(
  request: CronRequest,
  effect: Effect.Effect<A, E, R> | ((tick: Tick) => Effect.Effect<A, E, R>),
  insists = false
): Effect.Effect<never, CronError, R | Needs> =>
  Effect.gen(function*() {
    const { backend } = yield* KvStore
    const leases = yield* LeaseStore
    const run = runner(request.name, backend, Effect.isEffect(effect) ? () => effect : effect)
    const work = (mine: Leadership) => lead(request, mine, run)
    return yield* leading(leases, `cron/${request.name}`, request.campaign, work, insists)
  }).pipe(Effect.catchTags({ InvalidClaim: Effect.die, LeaseTimeout: Effect.die }))

const lead = <R>(
  { catchUp, last: lastUntil, name, next }: CronRequest,
  mine: Leadership,
  run: (tick: Tick) => Effect.Effect<void, never, R>
): Effect.Effect<never, InvalidKey | Undecodable, R | KvStore> =>
  Effect.gen(function*() {
    const { term } = mine
    let last = yield* note(name, term, undefined)
    while (last !== undefined) {
      const now = yield* Clock.currentTimeMillis
      const late: number = catchUp ? lastUntil(now) : -Infinity
      const missed: boolean = late > last
      const at: number = missed ? late : next(Math.max(last, now))
      yield* sleepUntil(at)
      last = yield* note(name, term, at)
      if (last !== undefined) yield* run({ at: DateTime.makeUnsafe(at), missed, term })
    }
    // Somebody leads with a later term: this one is over, and has not learnt it yet. It ends itself, and campaigns again.
    yield* Effect.logWarning(`Cron ${JSON.stringify(name)}: term ${term} is not the last one; it is given up`)
    return yield* Effect.andThen(Effect.ignore(Effect.delay(mine.resign, "1 second")), Effect.never)
  })

/**
 * Notes the tick that is to begin, or only the term, and answers the last tick; undefined where there is a later term. The
 * first process ever notes the time. A store that does not answer is asked again, for as long as the term lasts: what it may
 * have noted then is its own.
 */
const note = (
  name: string,
  term: bigint,
  at: number | undefined
): Effect.Effect<number | undefined, InvalidKey | Undecodable, KvStore> =>
  states.modify(name, (state) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      if (Option.isSome(state) && state.value.term > term) return [undefined, state] as const
      const last = at ?? (Option.isSome(state) ? state.value.last : Math.floor(now))
      return [last, Option.some({ last, term })] as const
    })).pipe(
      Effect.tapErrorTag("StoreUnavailable", ({ message }) => Effect.logWarning(`Cron asks again: ${message}`)),
      Effect.retry({ schedule: backOff, while: ({ _tag }) => _tag === "StoreUnavailable" || _tag === "Conflict" }),
      Effect.catchTags({ Conflict: Effect.die, LeaseLost: Effect.die, StoreUnavailable: Effect.die })
    )

const backOff = Schedule.jittered(Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]))

/** Looks at the clock once a minute at least: it may be set. */
const sleepUntil = (at: number): Effect.Effect<void> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (now) =>
      now >= at ? Effect.void : Effect.andThen(Effect.sleep(Math.ceil(Math.min(at - now, 60_000))), sleepUntil(at))
  )

const runner = <A, E, R>(name: string, backend: string, effect: (tick: Tick) => Effect.Effect<A, E, R>) => {
  const counted = (outcome: "ran" | "failed" | "interrupted") => {
    const series = Metric.withAttributes(ticks, { backend, cron: name, outcome })
    return Effect.contextWith((context: Context.Context<never>) => Effect.sync(() => series.updateUnsafe(1, context)))
  }
  const outcomes = { ran: counted("ran"), failed: counted("failed"), interrupted: counted("interrupted") }
  return (tick: Tick): Effect.Effect<void, never, R> =>
    Effect.suspend(() => effect(tick)).pipe(
      Effect.onExit((exit) =>
        outcomes[Exit.isSuccess(exit) ? "ran" : Exit.hasInterrupts(exit) ? "interrupted" : "failed"]
      ),
      Effect.asVoid,
      Effect.catchCause((cause) =>
        Effect.logError(`Cron ${JSON.stringify(name)}: the tick of ${DateTime.formatIso(tick.at)} has failed`, cause)
      ),
      (run) => traced("Cron.tick", { "heddle.backend": backend, "heddle.cron.name": name }, run)
    )
}
