import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { isTraced } from "../../internal/traced.ts"
import type { Claimed, Headers } from "../Job.ts"

/** Where a fiber is in a trace, as W3C's header; none where nobody traces. */
export const traceOf = ({ cache: { span } }: Fiber.Fiber<unknown, unknown>): Headers =>
  span === undefined ? none : { traceparent: `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}` }

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
