import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import type { Leaving } from "./leaseLeaving.ts"
import type { Place } from "./leasePlace.ts"
import type { Session } from "./leaseSessions.ts"

/** What the parts of one lease store share. */
export interface Store {
  readonly etcd: Etcd["Service"]
  readonly prefix: string
  /** The claims of this process that have not left. */
  readonly places: ReadonlyMap<string, Place>
  readonly leaving: Leaving
  /** Starts what ends by itself and is waited for on close. */
  readonly errand: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Starts what runs until the function that it gives is called. */
  readonly line: (effect: Effect.Effect<void>) => () => void
  /** A session's key is gone: it has ended, or gets its key back. */
  readonly missing: (session: Session) => Effect.Effect<void, EtcdError>
}
