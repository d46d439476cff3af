import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { InvalidOption } from "../InvalidOption.ts"

const invalid = (option: string, message: string) => new InvalidOption({ option, message: `${option} ${message}` })

/** What is wrong with a number of things of which there is at least one; `Infinity` is as many as there are. */
export const checkCount = (option: string, count: number): InvalidOption | undefined =>
  count === Infinity || (Number.isInteger(count) && count >= 1)
    ? undefined
    : invalid(option, "must be a whole number of 1 or more, or Infinity")

/** A duration in milliseconds, or what is wrong with it; `Infinity` is for ever. */
export const checkMillis = (option: string, input: Duration.Input): number | InvalidOption => {
  const millis = typeof input === "number"
    ? input
    : Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })
  return millis >= 0 ? millis : invalid(option, "must be a duration of 0 or more, or Infinity")
}
