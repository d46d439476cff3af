import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { Mode } from "./advisoryKeys.ts"
import { silenceOf } from "./advisoryKeys.ts"
import type { AdvisorySession } from "./AdvisorySession.ts"

export type Answered = Effect.Effect<LeaseBackend.Answer, Lease.InvalidClaim | Lease.StoreUnavailable>

/** A claim on its way from the question to the end of its lease. */
export class Place {
  readonly claim: LeaseBackend.Claim
  readonly number: bigint
  mode: Mode
  readonly silence: number
  /** Who waits for the answer. */
  answer: ((answer: Answered) => void) | undefined
  /** Until when (monotonic ms) the answer must have come. */
  readonly deadline: number
  readonly granted = Deferred.makeUnsafe<LeaseBackend.Granted, Lease.StoreUnavailable>()
  /**
   * `asking`: is being tried for. `lined`: waits for a session to wait on. `waiting`: waits in the server's line. `held`.
   * `over`: was given up; what is still on its way for it goes back.
   */
  state: "asking" | "lined" | "waiting" | "held" | "over" = "asking"
  session: AdvisorySession | undefined
  token = 0n
  /** When it came into the line, beside others. */
  turn = 0
  /** Since when it waits, then since when it holds. */
  since: number
  /** Whether it is known to stand in the server's line, or stands here because there are no more sessions. */
  standing = false
  /** Since when no session to wait on could be had. */
  failing = Infinity
  constructor(
    claim: LeaseBackend.Claim,
    number: bigint,
    mode: Mode,
    now: number,
    timeout: number,
    answer: (answer: Answered) => void
  ) {
    this.claim = claim
    this.number = number
    this.mode = mode
    this.silence = silenceOf(claim.ttl)
    this.answer = answer
    this.since = now
    this.deadline = now + timeout
  }

  /** Whether what the one is granted serves the other as well. */
  isLike({ mode, number, silence }: Place): boolean {
    return number === this.number && mode === this.mode && silence === this.silence
  }
}
