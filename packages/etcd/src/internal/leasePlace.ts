import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import type { LeaseBackend } from "heddle/coordination"
import type { EtcdError } from "../EtcdError.ts"
import * as Keys from "./leaseKeys.ts"
import { Order } from "./leaseOrder.ts"
import type { Session } from "./leaseSessions.ts"

/** `first`: the permits are the waiter's. `gone`: its key is not there any more. */
export type Turn = "first" | "gone"

/** The claims of this process on one resource. */
export class Room {
  /** What all its keys begin with. */
  readonly name: string
  readonly places = new Map<string, Place>()
  readonly order = new Order()
  constructor(name: string) {
    this.name = name
  }
}

/**
 * A claim of this process, from when it asks until it leaves.
 *
 * Its key is on the server at most while `state` is not "left", or until the errand that withdraws it is done.
 */
export class Place {
  readonly claim: LeaseBackend.Claim
  readonly room: Room
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
  /** What it has of the permits that it claimed. */
  permits: number
  value: string
  turn: Deferred.Deferred<Turn, EtcdError> = Deferred.makeUnsafe()
  /** The revision at which it was told to be first, if that came before the answer to its own request. */
  private early = -1n
  constructor(claim: LeaseBackend.Claim, room: Room, since: number) {
    this.claim = claim
    this.permits = claim.permits
    this.value = claim.value
    this.room = room
    this.key = Keys.keyOf(room.name, claim)
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

  /** It asks, for the first time or because its key is gone. */
  asks(): void {
    this.state = "asking"
    this.revision = 0n
    this.early = -1n
    this.turn = Deferred.makeUnsafe()
  }

  /** Its request was answered: it stands in line since that revision. */
  stands(revision: bigint): void {
    this.revision = revision
    if (this.early === revision) this.tell("first")
  }

  /** The claim that came in at that revision holds its permits now. */
  first(revision: bigint): void {
    if (this.revision === revision) this.tell("first")
    else if (this.state === "asking") this.early = revision
  }

  tell(turn: Turn): void {
    Deferred.doneUnsafe(this.turn, turn === "first" ? first : gone)
  }
}

const first = Exit.succeed<Turn>("first")
const gone = Exit.succeed<Turn>("gone")
