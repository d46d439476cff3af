import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import { isTraced } from "../../internal/traced.ts"
import type { Claimed, Headers } from "../Job.ts"

/** Where the enqueuing is in a trace, as W3C's header; none where nobody traces. */
export const traceHeaders: Effect.Effect<Headers> = Effect.withFiber((fiber): Effect.Effect<Headers> =>
  isTraced(fiber)
    ? Effect.match(Effect.currentParentSpan, {
      onFailure: () => ({}),
      onSuccess: ({ sampled, spanId, traceId }) => ({ traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}` })
    })
    : Effect.succeed(none)
)

const none: Headers = Object.freeze({})

/** The span that a header names. */
export const parentOf = (header: string | undefined): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/.exec(header ?? "") ?? []
  return traceId === undefined || spanId === undefined
    ? undefined
    : Tracer.externalSpan({ traceId, spanId, sampled: (parseInt(flags ?? "", 16) & 1) === 1 })
}

/** The work on a job as a span below where it was enqueued. */
export const tracedJob = <A, E, R>(job: Claimed, work: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const header = job.headers["traceparent"]
    const parent = header === undefined ? undefined : parentOf(header)
    if (parent === undefined && !isTraced(fiber)) return work()
    const attributes = { queue: job.queue, id: job.id, attempt: job.attempt, age: job.age }
    const options = { kind: "consumer", attributes } as const
    return Effect.withSpan(
      Effect.suspend(work),
      "WorkQueue.process",
      parent === undefined ? options : { ...options, parent }
    )
  })
