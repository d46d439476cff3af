import * as Effect from "effect/Effect"
import { isTraced } from "../../internal/traced.ts"
import * as Deadline from "../../resilience/Deadline.ts"
import type { Headers } from "../Message.ts"
import { parentOf, traceOf } from "./workTrace.ts"

/** Where the publisher is in a trace, and the time it has left. */
export const callHeaders: Effect.Effect<Headers> = Effect.withFiber((fiber) =>
  isTraced(fiber) ? Effect.map(Deadline.headers, (deadline) => ({ ...traceOf(fiber), ...deadline })) : Deadline.headers
)

/** Work on a message, below where it was published and within the time that its publisher had. */
export const served = <A, E, R>(
  name: string,
  { headers, subject }: { readonly headers: Headers; readonly subject: string },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Deadline.DeadlineExceeded | Deadline.MalformedDeadline, R> =>
  below(name, headers, { subject }, Deadline.serve(headers)(effect))

/** Work as a span below where the headers are from. */
export const below = <A, E, R>(
  name: string,
  headers: Headers,
  attributes: Readonly<Record<string, unknown>>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const parent = parentOf(headers["traceparent"])
    if (parent === undefined && !isTraced(fiber)) return effect
    const options = { kind: "consumer", attributes } as const
    return Effect.withSpan(effect, name, parent === undefined ? options : { ...options, parent })
  })
