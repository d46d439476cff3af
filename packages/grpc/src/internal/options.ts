import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidOption } from "heddle/resilience"

export const refuse = (option: string, must: string): Effect.Effect<never, InvalidOption> =>
  Effect.fail(new InvalidOption({ option, message: `${option} must ${must}` }))

/** Milliseconds; NaN for what is no duration. */
export const toMillis = (input: Duration.Input): number =>
  typeof input === "number" ? input : Option.match(Duration.fromInput(input), {
    onNone: () => NaN,
    onSome: Duration.toMillis
  })

/** A connection that is silent is asked for a sign of life. */
export interface Keepalive {
  /** How long it may be silent. */
  readonly every?: Duration.Input | undefined
  /** How long it may take to answer before it is given up. Default 5 seconds. */
  readonly timeout?: Duration.Input | undefined
}

const longest = 2 ** 31 - 1

/** What both sides say of their connections, as grpc-js names it. */
export const connectionOptions = (
  { keepalive, maxMessageBytes = 4 * 1024 * 1024 }: {
    readonly keepalive?: Keepalive | undefined
    readonly maxMessageBytes?: number | undefined
  },
  silence: Duration.Input
): Effect.Effect<Readonly<Record<string, number>>, InvalidOption> => {
  const every = toMillis(keepalive?.every ?? silence)
  const timeout = toMillis(keepalive?.timeout ?? "5 seconds")
  if (!(every >= 1 && every <= longest)) return refuse("keepalive.every", "be 1 ms or more, and at most 24 days")
  if (!(timeout >= 1 && timeout <= longest)) return refuse("keepalive.timeout", "be 1 ms or more, and at most 24 days")
  if (!(Number.isInteger(maxMessageBytes) && maxMessageBytes >= 1 && maxMessageBytes <= longest)) {
    return refuse("maxMessageBytes", "be a whole number of 1 or more")
  }
  return Effect.succeed({
    "grpc.keepalive_time_ms": every,
    "grpc.keepalive_timeout_ms": timeout,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": maxMessageBytes
  })
}
