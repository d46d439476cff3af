import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import type { InvalidClaim, Lease, StoreUnavailable } from "../Lease.ts"
import { LeaseLost } from "../Lease.ts"

/** The metrics of one kind of tenure: how many began, and how many there are. */
export interface Counts {
  readonly begun: Metric.Counter<number>
  readonly now: Metric.Gauge<number>
}

/** The tenure whose work a fiber does, and what that runs under in turn. */
interface Working {
  readonly tenure: Tenure
  readonly outer: Working | undefined
}

const CurrentWork = Context.Reference<Working | undefined>("heddle/Tenure/CurrentWork", {
  defaultValue: () => undefined
})

/**
 * A lease that is left in order: what runs under it is interrupted and ends, and only then does anybody else see it go.
 *
 * It is given back once it is being left, nothing runs under it, and nobody waits to give it back: whichever comes last does.
 */
export class Tenure {
  readonly lease: Lease
  private readonly uncount: () => void
  private counted = true
  /** Fails once the tenure is being left. */
  private readonly down = Deferred.makeUnsafe<never, LeaseLost>()
  private readonly idle = Latch.makeUnsafe(true)
  private running = 0
  private leaving = 0
  /** What came of giving it back: whoever leaves as well waits for the same answer. */
  private given: Deferred.Deferred<void, StoreUnavailable> | undefined

  /** Begins with a lease that is just granted. */
  static readonly make = (lease: Lease, counts: Counts, backend: string): Effect.Effect<Tenure> =>
    Effect.contextWith((context: Context.Context<never>) => Effect.succeed(new Tenure(lease, counts, backend, context)))

  constructor(lease: Lease, { begun, now }: Counts, backend: string, context: Context.Context<never>) {
    this.lease = lease
    Metric.withAttributes(begun, { backend }).updateUnsafe(1, context)
    const gauge = Metric.withAttributes(now, { backend })
    gauge.modifyUnsafe(1, context)
    this.uncount = () => gauge.modifyUnsafe(-1, context)
  }

  isHeld(): boolean {
    return !this.isLeft && this.lease.isAlive()
  }

  run<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiber((fiber): Effect.Effect<A, E | LeaseLost, R> => {
        if (this.isLeft) return Effect.fail(this.lost)
        this.running++
        this.idle.closeUnsafe()
        const work = Effect.provideService(effect, CurrentWork, { tenure: this, outer: fiber.getRef(CurrentWork) })
        return Effect.ensuring(
          restore(Effect.raceFirst(this.lease.run(work), Deferred.await(this.down))),
          Effect.sync(() => {
            this.running--
            if (this.running === 0) this.idle.openUnsafe()
            this.settle()
          })
        )
      })
    )
  }

  guard<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> {
    return Effect.suspend((): Effect.Effect<A, E | LeaseLost, R> =>
      this.isLeft ? Effect.fail(this.lost) : this.lease.guard(effect)
    )
  }

  update(value: string): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable> {
    return this.guard(this.lease.update(value))
  }

  /** Waits for what runs under the tenure, gives the lease back, and waits until the store has seen it. */
  get leave(): Effect.Effect<void, StoreUnavailable> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.withFiber((fiber) => {
        this.leaving++
        this.end()
        // Work that waits for its own end can only be interrupted, also within a finalizer of it.
        const idle = this.isDoneBy(fiber.getRef(CurrentWork)) ? Effect.interruptible(this.idle.await) : this.idle.await
        return Effect.ensuring(
          restore(Effect.andThen(idle, this.give)),
          Effect.sync(() => {
            this.leaving--
            this.settle()
          })
        )
      })
    )
  }

  /** The end of its scope: waits for what runs under the tenure, and not for the store. */
  get close(): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      this.end()
      const idle = this.isDoneBy(fiber.getRef(CurrentWork)) ? Effect.void : this.idle.await
      return Effect.ensuring(idle, Effect.sync(() => this.settle()))
    })
  }

  private get give(): Effect.Effect<void, StoreUnavailable> {
    return Effect.uninterruptibleMask((restore) => {
      if (this.given !== undefined) return restore(Deferred.await(this.given))
      const given = this.given = Deferred.makeUnsafe<void, StoreUnavailable>()
      return Effect.onExit(
        restore(this.lease.release),
        (exit) => Deferred.done(given, Exit.hasInterrupts(exit) ? Exit.void : exit)
      )
    })
  }
  private get isLeft(): boolean {
    return Deferred.isDoneUnsafe(this.down)
  }
  private get lost(): LeaseLost {
    return new LeaseLost({ resource: this.lease.resource, token: this.lease.token, reason: "released" })
  }
  private isDoneBy(work: Working | undefined): boolean {
    for (let at = work; at !== undefined; at = at.outer) if (at.tenure === this) return true
    return false
  }
  private end(): void {
    Deferred.doneUnsafe(this.down, Effect.fail(this.lost))
    this.countOut()
  }
  private settle(): void {
    if (!this.isHeld()) this.countOut()
    if (this.isLeft && this.running === 0 && this.leaving === 0) this.lease.releaseUnsafe()
  }
  private countOut(): void {
    if (this.counted) this.uncount()
    this.counted = false
  }
}
