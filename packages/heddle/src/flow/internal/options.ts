import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { InvalidOption } from "../../internal/InvalidOption.ts"

const invalid = (option: string, message: string) => new InvalidOption({ option, message: `${option} ${message}` })

/** What is wrong with a number of things of which there is at least one; `Infinity` is as many as there are. */
export const checkCount = (option: string, count: number): InvalidOption | undefined =>
  count === Infinity || (Number.isInteger(count) && count >= 1)
    ? undefined
    : invalid(option, "must be a whole number of 1 or more, or Infinity")

/** What is wrong with a number of things of which there may be none; `Infinity` is as many as there are. */
export const checkRoom = (option: string, count: number): InvalidOption | undefined =>
  count === Infinity || (Number.isInteger(count) && count >= 0)
    ? undefined
    : invalid(option, "must be a whole number of 0 or more, or Infinity")

/** A duration in milliseconds, or what is wrong with it; `Infinity` is for ever. */
export const checkMillis = (option: string, input: Duration.Input): number | InvalidOption => {
  const millis = typeof input === "number"
    ? input
    : Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })
  return millis >= 0 ? millis : invalid(option, "must be a duration of 0 or more, or Infinity")
}

/** How often something happens, in milliseconds, or what is wrong with it; `Infinity` is never. */
export const checkPeriod = (option: string, input: Duration.Input): number | InvalidOption => {
  const millis = checkMillis(option, input)
  return millis instanceof InvalidOption || millis >= 1
    ? millis
    : invalid(option, "must be a duration of 1 millisecond or more, or Infinity")
}
