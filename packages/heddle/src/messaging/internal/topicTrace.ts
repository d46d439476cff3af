import * as Effect from "effect/Effect"
import { isTraced } from "../../coordination/internal/traced.ts"
import * as Deadline from "../../resilience/Deadline.ts"
import type { Headers } from "../Message.ts"
import { parentOf, traceHeaders } from "./workTrace.ts"

/** Where the publisher is in a trace, and the time it has left. */
export const callHeaders: Effect.Effect<Headers> = Effect.zipWith(
  traceHeaders,
  Deadline.headers,
  (trace, deadline) => ({ ...trace, ...deadline })
)

/** Work on a message, below where it was published and within the time that its publisher had. */
export const served = <A, E, R>(
  name: string,
  { headers, subject }: { readonly headers: Headers; readonly subject: string },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Deadline.DeadlineExceeded | Deadline.MalformedDeadline, R> =>
  Effect.withFiber((fiber) => {
    const inTime = Deadline.serve(headers)(effect)
    const parent = parentOf(headers["traceparent"])
    if (parent === undefined && !isTraced(fiber)) return inTime
    const options = { kind: "consumer", attributes: { subject } } as const
    return Effect.withSpan(inTime, name, parent === undefined ? options : { ...options, parent })
  })
