import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CircuitBreaker as Fleet } from "effect/persistence"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { InvalidOption } from "../../internal/InvalidOption.ts"
import type { Change, SharedCircuitBreaker, SharedOptions, State, Trip } from "../CircuitBreaker.ts"
import { around, breakerOf, byExit, outcomes } from "./breaker.ts"
import { type Check, checked } from "./check.ts"
import { CircuitOpen } from "./CircuitOpen.ts"
import { CircuitStoreDown } from "./CircuitStoreDown.ts"
import { gathered } from "./gatheredStore.ts"
import { withoutStack } from "./refusal.ts"

/** After the store has failed it is left alone for so many milliseconds, so that not each call waits for it. */
const pause = 1000

/**
 * A circuit whose state is in a store. How a call ended goes through the store's breaker as a value, so that what fails there
 * is the store's, and never the call's.
 */
export const sharedBreaker = <E>(
  options: SharedOptions<E>
): Effect.Effect<SharedCircuitBreaker<E, CircuitStoreDown>, InvalidOption, Fleet.CircuitBreakerStore | Scope.Scope> =>
  Effect.gen(function*() {
    const { classify = byExit, name, openFor = "10 seconds", storeDown = "local", trip } = options
    yield* checked([countsCalls(trip)])
    const alone = yield* around(options)
    const local = breakerOf(alone, name).breaker
    const store = gathered(yield* Fleet.CircuitBreakerStore, yield* Effect.context<never>())
    const fleet = yield* Fleet.make({
      tripPolicy: policyOf(trip),
      openDuration: openFor,
      maxOpenDuration: "10 minutes",
      onStoreError: "fail"
    }).pipe(Effect.provideService(Fleet.CircuitBreakerStore, store))
    let downUntil = -Infinity
    let down = "it could not be asked"

    const read = <A, E1 extends E>(ended: Exit.Exit<Exit.Exit<A, E1>>): Fleet.Outcome => {
      const exit = Exit.isSuccess(ended) ? ended.value : Exit.failCause(ended.cause)
      const idle = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
      const outcome = idle ? Fleet.ignored : classify(exit)
      alone.calls[outcomes[outcome._tag]]++
      return outcome._tag === "Failure" ? Fleet.failure({ retryAfter: outcome.retryAfter }) : outcome
    }

    const refuse = (state: "open" | "half-open", retryAfter: number) => {
      alone.calls.refused++
      return Effect.fail(withoutStack(() => new CircuitOpen({ name, state, retryAfter })))
    }
    const storeIsDown = () =>
      withoutStack(() => new CircuitStoreDown({ name, message: `the store of ${name}: ${down}` }))

    const without = <A, E1 extends E, R>(
      call: Effect.Effect<A, E1, R>
    ): Effect.Effect<A, E1 | CircuitOpen | CircuitStoreDown, R> => {
      if (storeDown === "allow") return call
      return storeDown === "local" ? local.run(call) : Effect.fail(storeIsDown())
    }

    const failed = ({ reason }: Fleet.CircuitBreakerError): void => {
      if (alone.now() >= downUntil) down = reason.message
      downUntil = alone.now() + pause
    }

    return {
      name,
      run: <A, E1 extends E, R>(call: Effect.Effect<A, E1, R>) =>
        Effect.suspend((): Effect.Effect<A, E1 | CircuitOpen | CircuitStoreDown, R> => {
          if (alone.now() < downUntil) return without(call)
          return fleet.execute(Effect.exit(call), { key: name, classify: read }).pipe(
            Effect.matchEffect({
              onSuccess: (exit): Effect.Effect<A, E1 | CircuitOpen | CircuitStoreDown, R> => exit,
              onFailure: (error): Effect.Effect<A, E1 | CircuitOpen | CircuitStoreDown, R> => {
                if (error.reason._tag === "CircuitOpen") {
                  return refuse("open", Duration.toMillis(error.reason.retryAfter))
                }
                if (error.reason._tag === "CircuitHalfOpen") return refuse("half-open", 0)
                failed(error)
                return without(call)
              }
            })
          )
        }),
      state: Effect.map(fleet.state(name), ({ _tag }) => states[_tag]).pipe(
        Effect.mapError((error) => {
          failed(error)
          return storeIsDown()
        })
      ),
      changes: fleet.transitions.pipe(
        Stream.filter(({ key }) => key === name),
        Stream.map(({ from, to }): Change => ({ name, from: states[from], to: states[to] }))
      )
    }
  })

const states = { Closed: "closed", Open: "open", HalfOpen: "half-open" } as const satisfies Record<string, State>

const policyOf = (trip: Trip | undefined): Fleet.TripPolicy =>
  trip?._tag === "Rate" && "calls" in trip.of
    ? { _tag: "Rate", threshold: trip.failures, size: trip.of.calls, minimumCalls: trip.minimumCalls }
    : { _tag: "Consecutive", failures: trip?._tag === "Consecutive" ? trip.failures : 5 }

const countsCalls = (trip: Trip | undefined): Check => ({
  field: "trip",
  must: "count calls, and not times, where it is shared",
  holds: trip?._tag !== "Rate" || ("calls" in trip.of && trip.slow === undefined)
})
