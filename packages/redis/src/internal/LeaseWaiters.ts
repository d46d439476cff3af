import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { LeaseOutbox, Op } from "./LeaseOutbox.ts"
import * as Script from "./leaseScript.ts"

type Resume<A> = (effect: Effect.Effect<A, Lease.StoreUnavailable>) => void

/** What the waiters need of their surroundings. */
export interface Surroundings {
  readonly outbox: Pick<LeaseOutbox, "add">
  readonly keyOf: (resource: string) => string
  /** Who claims where a claim names no other. */
  readonly owner: string
  /** Since which monotonic instant (ms) grants for that key are heard. */
  readonly heardSince: (key: string) => number
  /** For how long (ms) after its last answer a server's pushes count. */
  readonly trustFor: number
  /** Milliseconds. */
  readonly timeout: number
  readonly heartbeat: number
  readonly patience: number
  readonly now: () => number
  readonly ring: (instant: number) => void
  /** Told before all in line are asked for again, with their keys. */
  readonly onBeat: (keys: ReadonlySet<string>) => void
  readonly failure: (error: unknown) => Lease.StoreUnavailable
}

/** A claim whose lease is not in its caller's hands yet. */
class Waiter {
  readonly claim: LeaseBackend.Claim
  readonly key: string
  /** Who waits for the answer, then who waits for the grant. */
  answer: Resume<LeaseBackend.Answer> | undefined
  granted: Resume<LeaseBackend.Granted> | undefined
  /** How the wait ended, if it ended when nobody listened. */
  outcome: Exit.Exit<LeaseBackend.Granted, Lease.StoreUnavailable> | undefined
  /** When the last question was sent that was answered with "in line". */
  asked = -Infinity
  /**
   * The least token of a grant made after that answer. A push with a smaller one comes from before: it was on its way for so
   * long that its lease has ended, and the claim stands in line anew.
   */
  floor = 0n
  /** When a holder's lease may end by itself. */
  next = Infinity
  /** The question on its way. */
  op: Op | undefined
  /** A grant that overtook the answer to the question. */
  early: string | undefined
  /** How often it was asked for. */
  asks = 0
  /** Whether a question may still reach the server after it was given up. */
  unsure = false
  constructor(claim: LeaseBackend.Claim, key: string, answer: Resume<LeaseBackend.Answer>) {
    this.claim = claim
    this.key = key
    this.answer = answer
  }
}

/** A waiter's claim on its way to the server. */
class Question implements Op {
  readonly key: string
  args: Script.Args
  until: number
  readonly insist = false
  attempts = 0
  /** Whether a renewal went before it: what is left of the lease now is all that there will be. */
  readonly renewed: boolean
  private readonly waiters: LeaseWaiters
  private readonly waiter: Waiter
  constructor(
    waiters: LeaseWaiters,
    waiter: Waiter,
    key: string,
    args: Script.Args,
    until: number,
    renewed: boolean
  ) {
    this.renewed = renewed
    this.waiters = waiters
    this.waiter = waiter
    this.key = key
    this.args = args
    this.until = until
  }
  onReply(reply: string, sentAt: number): void {
    this.waiters.answered(this.waiter, this, reply, sentAt)
  }
  onFail(error: unknown): void {
    this.waiters.failed(this.waiter, this, error)
  }
}

/**
 * The instant up to which a lease is proved alive that was granted no earlier than `since`. One part in a hundred is for
 * clocks that run at different speeds; two milliseconds are for the server's rounding and for a step begun just before.
 */
export const proved = (since: number, ttl: number): number => since + ttl * 0.99 - 2

/**
 * The claims of one store that wait for an answer or for their turn. Those in line are asked for again, all in one batch,
 * once in a heartbeat: that keeps them alive, and finds a grant whose push was lost.
 */
export class LeaseWaiters {
  private readonly around: Surroundings
  private readonly all = new Map<string, Waiter>()
  private readonly waited = new WeakSet<LeaseBackend.Claim>()
  private beatAt = Infinity
  constructor(around: Surroundings) {
    this.around = around
  }

  readonly ask = (claim: LeaseBackend.Claim): Effect.Effect<LeaseBackend.Answer, Lease.StoreUnavailable> =>
    Effect.callback((resume) => {
      const waiter = new Waiter(claim, this.around.keyOf(claim.resource), resume)
      this.all.set(claim.id, waiter)
      this.send(waiter)
    })

  /** Whether it stood in line, so that others may stand there now. */
  hasWaited(claim: LeaseBackend.Claim): boolean {
    return this.waited.has(claim)
  }

  /** Takes a claim back; tells for how long (ms) the server must remember it, or undefined if it knows nothing. */
  forget(claim: LeaseBackend.Claim): number | undefined {
    const waiter = this.all.get(claim.id)
    if (waiter === undefined) return 0
    this.all.delete(claim.id)
    this.drop(waiter)
    if (waiter.unsure) return 2 * this.around.timeout
    return waiter.asked === -Infinity ? undefined : 0
  }

  /** Handles a grant that the server sent by itself. */
  push(line: string): void {
    const id = line.slice(0, line.indexOf(" "))
    const waiter = this.all.get(id)
    if (waiter === undefined) return
    if (waiter.asked === -Infinity) waiter.early = line
    else this.pushed(waiter, line)
  }

  /** Asks for all again at once: pushes may have been lost, or the server has forgotten the line. */
  readonly beat = (): void => {
    if (this.beatAt === Infinity) return
    this.beatAt = -Infinity
    this.around.ring(-Infinity)
  }

  /** Asks again for those whose grants may have been pushed unheard. */
  recheck(concerned: (key: string) => boolean): void {
    for (const waiter of this.all.values()) {
      if (waiter.op === undefined && waiter.outcome === undefined && concerned(waiter.key)) this.send(waiter)
    }
  }

  /** Asks again for those that are due, and answers when to look next. */
  look(): number {
    const now = this.around.now()
    const beating = this.beatAt <= now
    if (beating) {
      this.beatAt = this.all.size === 0 ? Infinity : now + this.around.heartbeat
      this.around.onBeat(new Set([...this.all.values()].map(({ key }) => key)))
    }
    let next = this.beatAt
    const asked = new Set<string>()
    for (const waiter of this.all.values()) {
      if (waiter.op !== undefined || waiter.outcome !== undefined) continue
      if (beating) this.send(waiter)
      else if (waiter.next <= now) {
        // Any question makes the server promote the line: one for each resource is enough.
        waiter.next = Infinity
        if (!asked.has(waiter.claim.resource)) this.send(waiter)
        asked.add(waiter.claim.resource)
      } else next = Math.min(next, waiter.next)
    }
    return next
  }

  private send(waiter: Waiter, renewed = false): void {
    const { claim } = waiter
    const args = Script.claim(claim, this.around)
    const until = this.around.now() + this.around.timeout
    const op = new Question(this, waiter, waiter.key, waiter.asks++ === 0 ? args : Script.again(args), until, renewed)
    waiter.op = op
    this.around.outbox.add(op)
  }

  /** Gives up the question on its way, if there is one. */
  private drop(waiter: Waiter): void {
    if (waiter.op === undefined) return
    waiter.op.until = -Infinity
    if (waiter.op.attempts > 0) waiter.unsure = true
    waiter.op = undefined
  }

  answered(waiter: Waiter, op: Question, reply: string, sentAt: number): void {
    if (waiter.op !== op) return
    waiter.op = undefined
    if (op.attempts > 1) waiter.unsure = true
    const rest = reply.slice(1)
    switch (reply[0]) {
      case "G":
        return this.granted(waiter, rest, sentAt, op.renewed)
      case "Q":
        return this.queued(waiter, rest, sentAt)
      case "E":
        return this.finish(waiter, Exit.fail(this.around.failure(new Error(rest))))
      default:
        return this.refused(waiter, reply[0] === "M" ? { _tag: "Mismatch", limit: Number(rest) } : { _tag: "Busy" })
    }
  }

  failed(waiter: Waiter, op: Op, error: unknown): void {
    if (waiter.op !== op) return
    waiter.op = undefined
    if (op.attempts > 0) waiter.unsure = true
    this.finish(waiter, Exit.fail(this.around.failure(error)))
  }

  private refused(waiter: Waiter, answer: LeaseBackend.Answer): void {
    if (waiter.answer === undefined) {
      const error = new Error("the server forgot the claim, and the resource is in use with another limit")
      return this.finish(waiter, Exit.fail(this.around.failure(error)))
    }
    this.all.delete(waiter.claim.id)
    waiter.answer(Effect.succeed(answer))
  }

  /** `place` is `<next> <floor>`. */
  private queued(waiter: Waiter, place: string, sentAt: number): void {
    const { heartbeat, now, ring } = this.around
    const first = waiter.answer
    const [next, floor = ""] = place.split(" ")
    waiter.asked = sentAt
    waiter.floor = BigInt(floor)
    waiter.next = now() + Number(next) + 1
    if (this.beatAt === Infinity) this.beatAt = now() + heartbeat
    ring(Math.min(this.beatAt, waiter.next))
    if (waiter.early !== undefined) {
      const line = waiter.early
      waiter.early = undefined
      this.pushed(waiter, line)
    }
    if (waiter.outcome !== undefined) return
    const since = this.around.heardSince(waiter.key)
    if (waiter.op === undefined && sentAt < since && since !== Infinity) this.send(waiter)
    if (first === undefined) return
    waiter.answer = undefined
    this.waited.add(waiter.claim)
    first(Effect.succeed({ _tag: "Queued", granted: this.turn(waiter) }))
  }

  private turn(waiter: Waiter): Effect.Effect<LeaseBackend.Granted, Lease.StoreUnavailable> {
    return Effect.callback((resume) => {
      if (waiter.outcome !== undefined) return resume(waiter.outcome)
      waiter.granted = resume
    })
  }

  /** `line` is `<id> <token> <ttl>`. */
  private pushed(waiter: Waiter, line: string): void {
    const cut = line.indexOf(" ", waiter.claim.id.length + 1)
    const token = BigInt(line.slice(waiter.claim.id.length + 1, cut))
    if (token < waiter.floor || waiter.outcome !== undefined) return
    // Whoever was not heard for so long may have lost its place, and what it pushes is worth nothing.
    if (this.around.now() - waiter.asked > this.around.trustFor) this.confirm(waiter)
    else this.settle(waiter, token, Number(line.slice(cut + 1)), waiter.asked, false)
  }

  /** `grant` is `<token>`, or `<token> <ttl>` if what is left of the lease is not what was asked for. */
  private granted(waiter: Waiter, grant: string, sentAt: number, renewed: boolean): void {
    const [token = "", left] = grant.split(" ")
    this.settle(waiter, BigInt(token), left === undefined ? undefined : Number(left), sentAt, renewed)
  }

  private settle(waiter: Waiter, token: bigint, left: number | undefined, since: number, renewed: boolean): void {
    if (waiter.outcome !== undefined) return
    const until = proved(since, left ?? waiter.claim.ttl)
    const enough = Math.min(waiter.claim.ttl, this.around.patience) / 2
    if (left !== undefined && !renewed && until - this.around.now() < enough) return this.confirm(waiter)
    this.finish(waiter, Exit.succeed({ _tag: "Granted", token, until }))
  }

  /**
   * Renews and asks again, in one call, before a grant is handed out of which little can be proved to be left. The answer
   * names the token: a question on its way may have been granted anew what was pushed and has ended since.
   */
  private confirm(waiter: Waiter): void {
    this.drop(waiter)
    const { claim } = waiter
    this.around.outbox.add({
      key: waiter.key,
      args: Script.renew(claim),
      until: this.around.now() + this.around.timeout,
      insist: false,
      attempts: 0,
      onReply: () => {},
      onFail: () => {}
    })
    this.send(waiter, true)
  }

  /** A failed claim stays known until it is abandoned: its fate decides what the server must remember. */
  private finish(waiter: Waiter, outcome: Exit.Exit<LeaseBackend.Granted, Lease.StoreUnavailable>): void {
    waiter.outcome = outcome
    if (Exit.isSuccess(outcome)) this.all.delete(waiter.claim.id)
    if (waiter.answer !== undefined) waiter.answer(outcome)
    else waiter.granted?.(outcome)
  }
}
