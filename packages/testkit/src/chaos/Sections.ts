import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Lease, LeaseStore } from "heddle/coordination"
import { monotonic } from "../internal/workerProtocol.ts"
import { Dice } from "./Dice.ts"
import type { Stage } from "./Stage.ts"

/** Locks resources as its dice say, and writes down when it was inside. */
export class Sections {
  private readonly name: string
  private readonly store: LeaseStore.LeaseStore["Service"]
  private readonly stage: Stage
  constructor(name: string, store: LeaseStore.LeaseStore["Service"], stage: Stage) {
    this.name = name
    this.store = store
    this.stage = stage
  }

  /** Its `n`-th try to get in, and its stay if it is let in. */
  readonly visit = (n: number): Effect.Effect<void> => {
    const dice = new Dice(this.stage.seed, `${this.name}/${n}`)
    const resource = dice.pick(this.stage.resources)
    const request = {
      resource: resource.name,
      limit: resource.limit,
      permits: dice.between(1, Math.max(1, resource.limit - 1)),
      ttl: dice.pick([300, 600, 1200, 2500]),
      waitFor: dice.pick([0, 300, 2000, Infinity])
    }
    const course: Course = {
      actor: `${n}`,
      steps: dice.pick([1, 3, 10, 40, 300]),
      pace: dice.between(1, 6),
      updates: dice.chance(0.1) && this.stage.described,
      awaits: dice.chance(0.5)
    }
    const patience = dice.chance(0.15) ? dice.between(0, 400) : Infinity
    const tries = dice.chance(0.2)
    const visit = Effect.suspend(() => {
      const asked = monotonic()
      const enter = (lease: Lease.Lease) => this.stay(course, asked, lease)
      return tries
        ? Effect.flatMap(
          this.store.tryClaim(request),
          Option.match({ onNone: () => Effect.succeed("busy"), onSome: enter })
        )
        : Effect.flatMap(this.store.claim(request), enter)
    })
    return Effect.scoped(visit).pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed("given up") }),
      Effect.exit,
      Effect.map((exit) =>
        this.stage.ledger.count(`section: ${Exit.isSuccess(exit) ? exit.value : this.failure(exit.cause)}`)
      )
    )
  }

  private stay(
    { actor, awaits, pace, steps, updates }: Course,
    asked: bigint,
    lease: Lease.Lease
  ): Effect.Effect<string, Lease.InvalidClaim | Lease.LeaseLost | Lease.StoreUnavailable> {
    const { permits, resource, token } = lease
    const common = { process: this.name, actor, key: resource }
    let entered = 0n
    let left = 0n
    let over = 0
    const step = Effect.sync(() => {
      left = monotonic()
      // What was seen over at the end of a step must not let another begin.
      if (over === 1) {
        this.stage.ledger.wrong.push(`${this.name}/${actor} went on in ${resource} after its lease was over`)
      }
      if (!lease.isAlive()) over++
    })
    const section = Effect.gen(function*() {
      entered = left = monotonic()
      if (updates) yield* lease.update(actor)
      for (let n = 0; n < steps; n++) {
        yield* step
        yield* Effect.sleep(pace)
      }
      yield* step
    })
    return lease.run(section).pipe(
      Effect.ensuring(Effect.sync(() => {
        if (entered === 0n) return
        this.stage.ledger.stays.push(
          { ...common, kind: "ask", at: asked },
          { ...common, kind: "enter", at: entered, permits, token },
          { ...common, kind: "leave", at: left }
        )
      })),
      Effect.andThen(awaits ? lease.release : Effect.void),
      Effect.as("done")
    )
  }

  private failure(cause: Cause.Cause<{ readonly _tag: string }>): string {
    const error = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (error === undefined || !expected.has(error._tag)) {
      this.stage.ledger.wrong.push(`${this.name}: ${Cause.pretty(cause)}`)
    }
    return error?._tag ?? "defect"
  }
}

interface Course {
  readonly actor: string
  readonly steps: number
  readonly pace: number
  readonly updates: boolean
  readonly awaits: boolean
}

const expected = new Set(["LeaseTimeout", "LeaseLost", "StoreUnavailable"])
