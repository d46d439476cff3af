import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Lease } from "../Lease.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import type { Family } from "./lockMetrics.ts"

/** A key that this fiber holds, or one that forked it, and what it held before. Keys of two patterns are two. */
export interface Held {
  readonly store: LeaseStore["Service"]
  readonly family: Family
  readonly key: string
  readonly lease: Lease
  readonly outer: Held | undefined
}

export const CurrentHeld = Context.Reference<Held | undefined>("heddle/DistributedLock/CurrentHeld", {
  defaultValue: () => undefined
})

export const findHeld = (
  held: Held | undefined,
  wanted: (held: Held) => boolean
): Held | undefined => {
  for (let at = held; at !== undefined; at = at.outer) if (wanted(at) && at.lease.isAlive()) return at
  return undefined
}

/** Keys nested by hand can deadlock with a caller that nests them the other way round; sorted keys cannot. */
export const warnOrder = (
  outer: Held,
  store: LeaseStore["Service"],
  family: Family,
  key: string
): Effect.Effect<void> => {
  const later = findHeld(outer, (held) => held.store === store && held.family === family && held.key > key)
  return later === undefined ? Effect.void : Effect.logWarning(
    `DistributedLock: ${JSON.stringify(key)} is taken while ${JSON.stringify(later.key)} is held; ` +
      "a caller that nests them the other way round would deadlock with this one: take both by withLocks"
  )
}
