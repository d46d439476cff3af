import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOption } from "../../internal/InvalidOption.ts"

const refuse = (option: string, must: string) =>
  Effect.fail(new InvalidOption({ option, message: `${option} must ${must}` }))

const millisOf = (input: Duration.Input): number =>
  typeof input === "number"
    ? input
    : Option.match(Duration.fromInput(input), { onNone: () => NaN, onSome: Duration.toMillis })

/** Milliseconds of a finite duration of `least` or more. */
export const millis = (
  option: string,
  input: Duration.Input,
  least: 0 | 1
): Effect.Effect<number, InvalidOption> =>
  Effect.suspend(() => {
    const value = millisOf(input)
    return value >= least && value < Infinity
      ? Effect.succeed(value)
      : refuse(option, `be a finite duration of ${least} ms or more`)
  })

export const holds = (option: string, is: boolean, must: string): Effect.Effect<void, InvalidOption> =>
  is ? Effect.void : refuse(option, must)

export const name = (option: string, value: string): Effect.Effect<void, InvalidOption> =>
  holds(option, value.length >= 1 && value.length <= 200, "be a string of 1 to 200 characters")
