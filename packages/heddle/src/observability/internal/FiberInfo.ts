import type * as Fiber from "effect/Fiber"
import { waitOf } from "../../internal/Contended.ts"
import type { Watched } from "./FiberWatch.ts"

/** A fiber that lives. Times in milliseconds. */
export interface FiberInfo {
  readonly id: number
  /** The innermost span or named function that it is in, or was started in. */
  readonly name: string
  /** The id of the fiber that started it; that may have ended. `undefined` where none did under the watch. */
  readonly parent: number | undefined
  readonly age: number
  /** Since it last went on: it has waited as long, or runs. */
  readonly idle: number
  /** What of Heddle it waits for, where `Contention` is on. */
  readonly waitsFor: string | undefined
  /** The spans and named functions around it, from the inside, each with its place where there is one. */
  readonly path: ReadonlyArray<string>
}

export const infoOf = (watched: Watched, now: number): FiberInfo | undefined => {
  const fiber = watched.fiber.deref()
  if (fiber === undefined) return undefined
  const { began, id, parent, wentOn } = watched
  return {
    id,
    name: nameOf(fiber),
    parent,
    age: now - began,
    idle: now - wentOn,
    waitsFor: waitOf(fiber),
    path: pathOf(fiber)
  }
}

export const nameOf = (fiber: Fiber.Fiber<unknown, unknown>): string => {
  const { span, stackFrame } = fiber.cache
  return span?._tag === "Span" ? span.name : stackFrame?.name ?? "unnamed"
}

/** No more frames than a reader takes in. */
const deepest = 8

export const pathOf = (fiber: Fiber.Fiber<unknown, unknown>): ReadonlyArray<string> => {
  const path: Array<string> = []
  for (let frame = fiber.cache.stackFrame; frame !== undefined && path.length < deepest; frame = frame.parent) {
    const place = frame.stack()?.trim()
    path.push(place === undefined || place === "" ? frame.name : `${frame.name} ${place}`)
  }
  return path
}
