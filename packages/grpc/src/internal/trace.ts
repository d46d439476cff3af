/** Spans of calls, and W3C's header between the two sides. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"

/** Whether a span would be seen: none is opened unless somebody traces. */
const isTraced = Effect.withFiber((fiber) =>
  Effect.succeed(fiber.cache.span !== undefined || fiber.cache.tracer !== undefined)
)

/** Where the caller is in a trace; nothing where nobody traces. */
export const traceMetadata: Effect.Effect<Readonly<Record<string, string>>> = Effect.flatMap(
  isTraced,
  (traced): Effect.Effect<Readonly<Record<string, string>>> =>
    traced
      ? Effect.match(Effect.currentParentSpan, {
        onFailure: () => ({}),
        onSuccess: ({ sampled, spanId, traceId }) => ({
          traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
        })
      })
      : Effect.succeed({})
)

const parentOf = (header: string | undefined): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = /^00-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/.exec(header ?? "") ?? []
  return traceId === undefined || spanId === undefined
    ? undefined
    : Tracer.externalSpan({ traceId, spanId, sampled: (parseInt(flags ?? "", 16) & 1) === 1 })
}

const attributesOf = (method: string) => ({ "rpc.system.name": "grpc", "rpc.method": method })

/** Says how the call ended, in the span that is open. */
export const toldStatus = (status: string): Effect.Effect<void> =>
  Effect.annotateCurrentSpan("rpc.response.status_code", status)

/** A call in a span of the client. */
export const clientSpan = <A, E, R>(method: string, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    isTraced,
    (traced) => traced ? Effect.withSpan(self, method, { kind: "client", attributes: attributesOf(method) }) : self
  )

/** What makes a stream of answers, in a span of the client that ends with the stream's scope. */
export const clientSpanScoped = <A, E, R>(
  method: string,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(isTraced, (traced): Effect.Effect<A, E, R | Scope.Scope> =>
    traced
      ? Effect.flatMap(
        Effect.makeSpanScoped(method, { kind: "client", attributes: attributesOf(method) }),
        (span) => Effect.withParentSpan(self, span)
      )
      : self)

/** A call in a span of the server, below the client's; one that names no parent begins a trace. */
export const serverSpan = <A, E, R>(
  method: string,
  header: string | undefined,
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.flatMap(isTraced, (traced) => {
    const parent = parentOf(header)
    if (parent === undefined && !traced) return self
    const options = { kind: "server", attributes: attributesOf(method) } as const
    return Effect.withSpan(self, method, parent === undefined ? { ...options, root: true } : { ...options, parent })
  })
