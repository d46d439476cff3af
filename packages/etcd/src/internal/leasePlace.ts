import * as Deferred from "effect/Deferred"
import type { LeaseBackend } from "heddle/coordination"
import type { EtcdError } from "../EtcdError.ts"
import * as Keys from "./leaseKeys.ts"
import type { Session } from "./leaseSessions.ts"

/** `first`: the permits are the waiter's. `gone`: its key is not there any more. */
export type Turn = "first" | "gone"

/**
 * A claim of this process, from when it asks until it leaves.
 *
 * Its key is on the server at most while `state` is not "left", or until the errand that withdraws it is done.
 */
export class Place {
  readonly claim: LeaseBackend.Claim
  readonly room: string
  readonly key: string
  readonly since: number
  session: Session | undefined
  /** The revision at which the key was created: its place in line. */
  revision = 0n
  /** The instant (ms, monotonic) until which core counts the lease as alive. */
  until = -Infinity
  state: "asking" | "waiting" | "held" | "left" = "asking"
  /** Whether a request that may have made the key got no answer. */
  unanswered = false
  turn: Deferred.Deferred<Turn, EtcdError> = Deferred.makeUnsafe()
  constructor(claim: LeaseBackend.Claim, prefix: string, since: number) {
    this.claim = claim
    this.room = Keys.room(prefix, claim.resource)
    this.key = Keys.keyOf(this.room, claim)
    this.since = since
  }

  note(value: string): string {
    return Keys.encodeNote({ owner: this.claim.owner, value, since: this.since })
  }

  /** Puts the claim under a session, and out of the one before. */
  sit(session: Session | undefined): void {
    this.session?.places.delete(this)
    this.session = session
    session?.places.add(this)
  }
}
