import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOption } from "../../internal/InvalidOption.ts"

/** What one field must be, and whether it is. */
export interface Check {
  readonly field: string
  readonly must: string
  readonly holds: boolean
}

export const whole = (field: string, value: number, min: number, max = 2 ** 31 - 1): Check => ({
  field,
  must: `be a whole number from ${min} to ${max.toLocaleString("en-US")}`,
  holds: Number.isInteger(value) && value >= min && value <= max
})

/** A share above 0 and up to 1. */
export const share = (field: string, value: number): Check => ({
  field,
  must: "be a share above 0 and not above 1",
  holds: value > 0 && value <= 1
})

export const text = (field: string, value: string): Check => ({
  field,
  must: "be a string of 1 to 200 characters",
  holds: value.length >= 1 && value.length <= 200
})

/** Milliseconds; NaN for what is no duration. */
export const toMillis = (input: Duration.Input): number =>
  typeof input === "number" ? input : Option.match(Duration.fromInput(input), {
    onNone: () => NaN,
    onSome: Duration.toMillis
  })

/** A finite duration of more than nothing. */
export const positive = (field: string, millis: number): Check => ({
  field,
  must: "be a finite duration above 0",
  holds: millis > 0 && millis < Infinity
})

/** A duration of 0 or more, or for ever. */
export const lasting = (field: string, millis: number): Check => ({
  field,
  must: "be a duration of 0 or more, or Infinity",
  holds: millis >= 0
})

/** Fails with the first check that does not hold. */
export const checked = (checks: ReadonlyArray<Check>): Effect.Effect<void, InvalidOption> => {
  const wrong = checks.find(({ holds }) => !holds)
  return wrong === undefined
    ? Effect.void
    : Effect.fail(new InvalidOption({ option: wrong.field, message: `${wrong.field} must ${wrong.must}` }))
}
