import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { Lease, type LeaseBackend } from "heddle/coordination"
import { RedlockLine } from "./RedlockLine.ts"
import type { RedlockNode } from "./RedlockNode.ts"
import type { RedlockQuorum } from "./RedlockQuorum.ts"

/** Times are milliseconds. */
export interface Surroundings {
  readonly nodes: ReadonlyArray<RedlockNode>
  readonly quorum: RedlockQuorum
  readonly keyOf: (resource: string) => string
  readonly longestTtl: number
  readonly heartbeat: number
  readonly timeout: number
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

const refuse = (field: string, message: string) =>
  Effect.fail(new Lease.InvalidClaim({ field, message: `${field} ${message}` }))

const exclusive = refuse("limit", "must be 1: a quorum of independent nodes arbitrates exclusive claims only")

const tooFew = Effect.suspend(() =>
  Effect.fail(
    new Lease.StoreUnavailable({
      backend: "redlock",
      message:
        "fewer than most of the nodes have answered with a vote; one that has just started votes after `restartDelay`"
    })
  )
)

/** The steps of a lease store on independent nodes. */
export class RedlockSteps implements LeaseBackend.Steps {
  private readonly around: Surroundings
  private readonly lines = new Map<string, RedlockLine>()
  private readonly observers = new Map<string, Set<Latch.Latch>>()
  /** The resources whose changes the nodes tell, by channel. */
  private readonly followed = new Map<string, string>()
  constructor(around: Surroundings) {
    this.around = around
    for (const node of around.nodes) {
      node.onChange = (channel) => {
        const resource = channel === undefined ? undefined : this.followed.get(channel)
        if (resource !== undefined) this.changed(resource)
        else if (channel === undefined) { for (const one of this.followed.values()) this.changed(one) }
      }
    }
  }

  readonly ask = (
    claim: LeaseBackend.Claim
  ): Effect.Effect<LeaseBackend.Answer, Lease.InvalidClaim | Lease.StoreUnavailable> => {
    const { longestTtl, quorum } = this.around
    if (claim.limit !== 1) return exclusive
    if (claim.ttl > longestTtl) return refuse("ttl", `must be at most ${longestTtl} ms; raise the layer's longestTtl`)
    const line = this.lines.get(claim.resource)
    if (line !== undefined) {
      return claim.wait ? Effect.sync(() => this.queued(claim)) : Effect.succeed({ _tag: "Busy" })
    }
    return Effect.flatMap(
      Effect.promise(() => quorum.claim(claim)),
      (attempt): Effect.Effect<LeaseBackend.Answer, Lease.StoreUnavailable> => {
        if (attempt._tag === "Granted") return Effect.succeed(attempt)
        if (claim.wait) return Effect.sync(() => this.queued(claim))
        return attempt._tag === "Busy" ? Effect.succeed({ _tag: "Busy" }) : tooFew
      }
    )
  }

  /** A lease that too few nodes have answered for is not longer alive than it was. */
  readonly renew = (
    claims: ReadonlyArray<LeaseBackend.Claim>
  ): Effect.Effect<ReadonlyArray<number | undefined>, Lease.StoreUnavailable> =>
    Effect.flatMap(
      Effect.promise(() => Promise.all(claims.map((claim) => this.around.quorum.renew(claim)))),
      (untils) => untils.every((until) => until === -Infinity) ? tooFew : Effect.succeed(untils)
    )

  readonly release = (claim: LeaseBackend.Claim): Effect.Effect<void, Lease.StoreUnavailable> =>
    Effect.flatMap(
      Effect.promise(() => this.around.quorum.release(claim)),
      (done) => done ? Effect.void : tooFew
    )

  readonly releaseUnsafe = (claim: LeaseBackend.Claim): void => this.around.quorum.releaseUnsafe(claim)

  readonly abandonUnsafe = (claim: LeaseBackend.Claim): void => {
    this.lines.get(claim.resource)?.leave(claim.id)
    this.around.quorum.releaseUnsafe(claim)
  }

  readonly update = (
    claim: LeaseBackend.Claim,
    { permits, value }: LeaseBackend.Change
  ): Effect.Effect<boolean, Lease.InvalidClaim | Lease.StoreUnavailable> => {
    if (value === undefined) return permits === 1 ? Effect.succeed(true) : exclusive
    const updated = Effect.promise(() => this.around.quorum.update(claim, value))
    return Effect.flatMap(updated, (known) => known === undefined ? tooFew : Effect.succeed(known))
  }

  readonly resize = (): Effect.Effect<void, Lease.InvalidClaim> => exclusive

  readonly inspect = (resource: string): Effect.Effect<Lease.Inspection, Lease.StoreUnavailable> =>
    Effect.map(this.look(resource), ({ inspection }) => inspection)

  readonly changes = (resource: string): Stream.Stream<Lease.Inspection, Lease.StoreUnavailable> =>
    Stream.unwrap(Effect.gen({ self: this }, function*() {
      const latch = Latch.makeUnsafe(true)
      let next = Infinity
      yield* Effect.acquireRelease(
        Effect.sync(() => this.observe(resource, latch)),
        () => Effect.sync(() => this.ignore(resource, latch))
      )
      const wait = Effect.suspend(() =>
        next === Infinity ? latch.await : Effect.raceFirst(latch.await, Effect.sleep(next + 1))
      )
      const look = Effect.map(
        Effect.suspend(() => {
          latch.closeUnsafe()
          return this.look(resource)
        }),
        (looked) => {
          next = looked.next
          return looked.inspection
        }
      )
      return Stream.fromEffectRepeat(Effect.andThen(wait, look))
    }))

  /** Who waits is what this process knows of, as it was before the nodes were asked. */
  private look(
    resource: string
  ): Effect.Effect<{ readonly next: number; readonly inspection: Lease.Inspection }, Lease.StoreUnavailable> {
    return Effect.suspend(() => {
      const places = [...this.lines.get(resource)?.waiters ?? []]
      return Effect.flatMap(Effect.promise(() => this.around.quorum.inspect(resource)), (held) => {
        if (held === undefined) return tooFew
        const now = this.around.now()
        const holders = held === "nobody" ? [] : [held]
        const waiters = places.filter(({ claim }) => claim.id !== holders[0]?.id)
        return Effect.succeed({
          next: holders[0]?.next ?? Infinity,
          inspection: {
            limit: holders.length + waiters.length > 0 ? 1 : undefined,
            holders: holders.map(({ age, id, owner, token, value }) => ({ age, id, owner, permits: 1, token, value })),
            waiters: waiters.map(({ claim: { id, owner }, since }) => ({ id, owner, permits: 1, age: now - since }))
          }
        })
      })
    })
  }

  private queued(claim: LeaseBackend.Claim): LeaseBackend.Answer {
    return { _tag: "Queued", granted: this.lineOf(claim.resource).enter(claim) }
  }

  private lineOf(resource: string): RedlockLine {
    const known = this.lines.get(resource)
    if (known !== undefined) return known
    const { fork, heartbeat, now, quorum, timeout } = this.around
    const line = new RedlockLine({
      attempt: (claim) => Effect.promise(() => quorum.claim(claim)),
      fork,
      heartbeat,
      timeout,
      now,
      unreachable: tooFew,
      onChange: (empty) => {
        if (empty) {
          this.lines.delete(resource)
          this.unfollow(resource)
        }
        this.wake(resource)
      }
    })
    this.lines.set(resource, line)
    this.follow(resource)
    return line
  }

  private changed(resource: string): void {
    this.lines.get(resource)?.wake()
    this.wake(resource)
  }

  private wake(resource: string): void {
    this.observers.get(resource)?.forEach((latch) => latch.openUnsafe())
  }

  private observe(resource: string, latch: Latch.Latch): void {
    const all = this.observers.get(resource) ?? new Set()
    this.observers.set(resource, all.add(latch))
    this.follow(resource)
  }

  private ignore(resource: string, latch: Latch.Latch): void {
    const all = this.observers.get(resource)
    all?.delete(latch)
    if (all?.size === 0) this.observers.delete(resource)
    this.unfollow(resource)
  }

  private channelOf(resource: string): string {
    return `${this.around.keyOf(resource)}:changes`
  }

  private follow(resource: string): void {
    const channel = this.channelOf(resource)
    if (this.followed.has(channel)) return
    this.followed.set(channel, resource)
    for (const node of this.around.nodes) node.follow(channel)
  }

  private unfollow(resource: string): void {
    if (this.lines.has(resource) || this.observers.has(resource)) return
    const channel = this.channelOf(resource)
    this.followed.delete(channel)
    for (const node of this.around.nodes) node.unfollow(channel)
  }
}
