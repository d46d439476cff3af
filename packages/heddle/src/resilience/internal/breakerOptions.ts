import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { InvalidOption } from "../../internal/InvalidOption.ts"
import type { Options } from "../CircuitBreaker.ts"
import { type Check, checked, positive, share, text, toMillis, whole } from "./check.ts"

export const checkBreaker = <E>(
  { name, openFor = 1, probes = 1, successes = 1, trip }: Options<E>,
  most = 1
): Effect.Effect<void, InvalidOption> => {
  const checks: Array<Check> = [
    text("name", name),
    whole("successes", successes, 1),
    whole("probes", probes, 1),
    whole("most", most, 1)
  ]
  if (!Schedule.isSchedule(openFor)) checks.push(positive("openFor", toMillis(openFor)))
  if (trip?._tag === "Consecutive") checks.push(whole("trip.failures", trip.failures, 1))
  if (trip?._tag === "Rate") {
    checks.push(share("trip.failures", trip.failures), whole("trip.minimumCalls", trip.minimumCalls, 1))
    checks.push(
      "calls" in trip.of
        ? whole("trip.of.calls", trip.of.calls, trip.minimumCalls, 1_000_000)
        : positive("trip.of.during", toMillis(trip.of.during))
    )
    if (trip.slow !== undefined) {
      checks.push(positive("trip.slow.than", toMillis(trip.slow.than)), share("trip.slow.share", trip.slow.share))
    }
  }
  return checked(checks)
}
