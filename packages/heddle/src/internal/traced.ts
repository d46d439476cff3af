import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"

/** A span costs more than many an operation itself: none is opened unless somebody traces. */
export const isTraced = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.cache.span !== undefined || fiber.cache.tracer !== undefined

/** The effect in a span. */
export const inSpan = <A, E, R>(
  name: string,
  attributes: Record<string, unknown>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.withSpan(effect, name, { attributes, captureStackTrace: false })

/** The effect in a span, where somebody traces. */
export const traced = <A, E, R>(
  name: string,
  attributes: Record<string, unknown>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.withFiber((fiber) => isTraced(fiber) ? inSpan(name, attributes, effect) : effect)
