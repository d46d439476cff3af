import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type KvBackend, Lease, type LeaseBackend } from "heddle/coordination"

const lost = Effect.delay(
  Effect.fail(new Lease.StoreUnavailable({ backend: "memory", message: "cut off" })),
  "100 millis"
)

/** One way, closed for as long as somebody has closed it. */
class Way {
  readonly latch = Latch.makeUnsafe(true)
  private closed = 0
  readonly close = Effect.acquireRelease(
    Effect.sync(() => ++this.closed === 1 && this.latch.closeUnsafe()),
    () => Effect.sync(() => --this.closed === 0 && this.latch.openUnsafe())
  )
}

/**
 * The network between one client and a memory that several share, which can be cut each way.
 *
 * What is sent without waiting for an answer, and what is pushed, arrives when the way is open again, as it does where a
 * client sends and asks again on its next connection.
 */
export class Gate {
  private readonly up = new Way()
  private readonly down = new Way()
  private late: Array<() => void> = []

  cut(ways: "up" | "down" | "both"): Effect.Effect<void, never, Scope.Scope> {
    const up = Effect.andThen(Effect.addFinalizer(() => Effect.sync(() => this.flush())), this.up.close)
    return Effect.all([ways === "down" ? Effect.void : up, ways === "up" ? Effect.void : this.down.close], {
      discard: true
    })
  }

  leases(steps: LeaseBackend.Steps): LeaseBackend.Steps {
    return {
      ask: (claim) =>
        Effect.map(
          this.step(steps.ask(claim)),
          (answer) =>
            answer._tag === "Queued" ? { ...answer, granted: Effect.tap(answer.granted, this.arrives) } : answer
        ),
      renew: (claims) => this.step(steps.renew(claims)),
      release: (claim) => this.step(steps.release(claim)),
      releaseUnsafe: (claim) => this.send(() => steps.releaseUnsafe(claim)),
      abandonUnsafe: (claim) => this.send(() => steps.abandonUnsafe(claim)),
      update: (claim, change) => this.step(steps.update(claim, change)),
      resize: (resource, limit) => this.step(steps.resize(resource, limit)),
      inspect: (resource) => this.step(steps.inspect(resource)),
      changes: (resource) => Stream.tap(steps.changes(resource), () => this.arrives)
    }
  }

  keys(steps: KvBackend.Steps): KvBackend.Steps {
    return {
      get: (key) => this.step(steps.get(key)),
      range: (prefix, after, limit) => this.step(steps.range(prefix, after, limit)),
      commit: (commit) => this.step(steps.commit(commit)),
      grant: (ttl) => this.step(steps.grant(ttl)),
      renew: (leases) => this.step(steps.renew(leases)),
      revoke: (id) => this.step(steps.revoke(id)),
      revokeUnsafe: (id) => this.send(() => steps.revokeUnsafe(id)),
      watch: (target, from) => Stream.tap(steps.watch(target, from), () => this.arrives)
    }
  }

  private readonly arrives = this.down.latch.await

  private step<A, E>(step: Effect.Effect<A, E>): Effect.Effect<A, E | Lease.StoreUnavailable> {
    return Effect.suspend((): Effect.Effect<A, E | Lease.StoreUnavailable> =>
      this.up.latch.isOpen()
        ? Effect.flatMap(step, (answer) => this.down.latch.isOpen() ? Effect.succeed(answer) : lost)
        : lost
    )
  }

  private send(act: () => void): void {
    if (this.up.latch.isOpen()) act()
    else this.late.push(act)
  }

  private flush(): void {
    if (!this.up.latch.isOpen()) return
    const late = this.late
    this.late = []
    for (const act of late) act()
  }
}
