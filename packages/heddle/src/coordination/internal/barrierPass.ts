import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { BarrierBroken, BarrierError, PartiesMismatch } from "../Barrier.ts"
import type { Change, Entry, KvLease, Range } from "../KvEntry.ts"
import type { KvStore, ReadError, WriteError } from "../KvStore.ts"
import { type LeaseLost, LeaseTimeout } from "../Lease.ts"
import type { BarrierRequest } from "./barrierRequest.ts"
import { kept, partiesOf, type State, states } from "./barrierState.ts"
import { bounded } from "./bounded.ts"
import { outcomes } from "./outcomes.ts"

/** What one party awaits. */
export interface Wish {
  readonly store: KvStore["Service"]
  readonly request: BarrierRequest
  readonly broken: () => BarrierBroken
  readonly mismatch: (actual: number) => PartiesMismatch
}

type Failure = BarrierError | LeaseLost

/** One party's way through one generation, or through the next where it came too late for that. */
class Party {
  private readonly wish: Wish
  private readonly lease: KvLease
  private readonly state: string
  private generation = 0n
  constructor(wish: Wish, lease: KvLease) {
    this.wish = wish
    this.lease = lease
    this.state = `${wish.request.prefix}state`
  }

  /** Comes to the generation that is open for those who come. */
  readonly enter: Effect.Effect<void, Failure> = Effect.suspend(() => {
    const { request: { parties, prefix }, store } = this.wish
    return Effect.flatMap(store.get(this.state), (state) => {
      this.generation = Option.isSome(state) ? state.value.revision : 0n
      const key = `${prefix}${this.generation}/${parties}/${this.lease.id}`
      return Effect.andThen(store.put(key, new Uint8Array(), { lease: this.lease }), this.look(false))
    })
  })

  /** Looks who is there. `waited`: it has been seen there before, so that the generation did not end without it. */
  private look(waited: boolean): Effect.Effect<void, Failure> {
    const { request: { prefix }, store } = this.wish
    return Effect.flatMap(store.range(prefix, { limit: 10_000 }), (range) => {
      const state = range.entries.find(({ key }) => key === this.state)
      if ((state?.revision ?? 0n) === this.generation) return this.count(range)
      return state === undefined ? this.enter : this.ended(state, waited)
    })
  }

  private count({ entries, revision }: Range): Effect.Effect<void, Failure> {
    const { mismatch, request: { parties, prefix } } = this.wish
    const present = partiesOf(prefix, this.generation, entries)
    const first = present[0]
    if (first !== undefined && first.parties !== parties) return Effect.fail(mismatch(first.parties))
    const peers = present.filter((party) => party.parties === parties)
    const wait = this.wait(revision)
    if (peers.length < parties) return wait
    const members = peers.slice(0, parties).map(({ id }) => id)
    return Effect.flatMap(this.end(members), (done) => done ? this.leave(members) : wait)
  }

  private wait(revision: bigint): Effect.Effect<void, Failure> {
    const { request: { prefix }, store } = this.wish
    return store.watchPrefix(prefix, { from: revision + 1n }).pipe(
      Stream.filterMapEffect(({ changes }) => this.see(changes)),
      Stream.runHead,
      Effect.catchTag("Compacted", () => Effect.succeedNone),
      Effect.flatMap(Option.getOrElse(() => this.look(true)))
    )
  }

  /** What is to be done about changes, if anything. */
  private see(
    changes: ReadonlyArray<Change>
  ): Effect.Effect<Result.Result<Effect.Effect<void, Failure>, void>, Failure> {
    const { broken, request: { parties, prefix } } = this.wish
    const peers = `${prefix}${this.generation}/${parties}/`
    for (const change of changes) {
      if (change._tag === "Put") {
        if (change.entry.key === this.state) return Effect.succeed(Result.succeed(this.ended(change.entry, true)))
      } else if (change.key === this.state) {
        return Effect.succeed(Result.succeed(this.enter))
      } else if (change.key.startsWith(peers)) {
        // Where somebody else has ended the generation before, that is told next.
        return Effect.map(this.end([]), (done) => done ? Result.succeed(Effect.fail(broken())) : nothing)
      }
    }
    return Effect.succeed(nothing)
  }

  /** Ends the generation; false where it has been ended. */
  private end(members: ReadonlyArray<string>): Effect.Effect<boolean, ReadError | WriteError> {
    const { store } = this.wish
    return states.encode({ of: this.generation, members }).pipe(
      Effect.flatMap((bytes) => store.compareAndSet(this.state, this.generation, bytes, { ttl: kept })),
      Effect.as(true),
      Effect.catchTag("Conflict", () => Effect.succeed(false)),
      // Others may go on by a write whose answer was lost: written again, it meets a conflict, and they are followed.
      Effect.retry({ times: 4, schedule: Schedule.exponential("50 millis"), while: isUnavailable })
    )
  }

  /** The state has changed since the generation began. */
  private ended(state: Entry, waited: boolean): Effect.Effect<void, Failure> {
    const { broken, request: { key } } = this.wish
    return Effect.flatMap(states.decode(key, state), ({ members, of }: State): Effect.Effect<void, Failure> => {
      if (of === this.generation && members.length > 0) return this.leave(members)
      // Which of the generations since then was its own it cannot know; that did not open with it.
      return waited ? Effect.fail(broken()) : this.enter
    })
  }

  private leave(members: ReadonlyArray<string>): Effect.Effect<void, PartiesMismatch> {
    const { mismatch, request: { parties } } = this.wish
    return members.includes(this.lease.id) ? Effect.void : Effect.fail(mismatch(parties))
  }
}

const nothing = Result.fail<void>(undefined)

const isUnavailable = ({ _tag }: ReadError | WriteError): boolean => _tag === "StoreUnavailable"

const counted = outcomes<"passed" | "broken" | "timeout" | "error">(
  "heddle_barrier_awaits_total",
  "Awaits of a barrier, by how they ended"
)

const outcomeOf = (exit: Exit.Exit<void, BarrierError>) => {
  if (Exit.isSuccess(exit)) return "passed"
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isNone(error) || error.value._tag === "LeaseTimeout") return "timeout"
  return error.value._tag === "BarrierBroken" ? "broken" : "error"
}

export const pass = (wish: Wish): Effect.Effect<void, BarrierError> => {
  const { broken, request: { prefix, ttl, waitFor }, store } = wish
  const way = Effect.scoped(Effect.flatMap(store.lease({ ttl }), (lease) => lease.run(new Party(wish, lease).enter)))
  const timeout = Effect.suspend(() =>
    Effect.fail(new LeaseTimeout({ resource: prefix.slice(0, -1), waitedMillis: waitFor }))
  )
  const passed = Effect.catchTag(bounded(way, waitFor, timeout), "LeaseLost", () => Effect.fail(broken()))
  return Effect.withFiber((fiber) =>
    Effect.onExitPrimitive(passed, (exit) => {
      const { backend } = store
      counted(backend, () => ({ backend }))(fiber.context, outcomeOf(exit))
      return undefined
    })
  )
}
