import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { monotonic } from "../Alarm.ts"
import type { Entry, InvalidKey, KvLease } from "../KvEntry.ts"
import type { KvStore } from "../KvStore.ts"
import { LeaseLost, LeaseTimeout, type StoreUnavailable } from "../Lease.ts"
import type { OnceConflict, OnceError, Run } from "../Once.ts"
import { bounded } from "./bounded.ts"
import type { JsonCodec } from "./kvCodec.ts"
import { type Record, records, valueOf } from "./onceRecord.ts"
import type { OnceRequest } from "./onceRequest.ts"
import { outcomes } from "./outcomes.ts"

/** What is called, with what, and how its results and failures are kept. */
export interface Wish<A, E, R, RD, RE> {
  readonly store: KvStore["Service"]
  readonly request: OnceRequest
  readonly success: JsonCodec<A, RD, RE>
  readonly error: JsonCodec<E, RD, RE>
  readonly effect: (run: Run) => Effect.Effect<A, E, R>
  readonly conflict: (actual: string) => OnceConflict
}

/** It `ran` itself, was given a result that is `shared`, or what kept it from both. */
type Outcome = "ran" | "shared" | "failed" | "lost" | "timeout" | "conflict" | "error"

const counted = outcomes<Outcome>("heddle_once_calls_total", "Calls of Once.run, by how they ended")

/** One call. It looks, and then has a result, waits for one, or begins a run; whenever that came to nothing it looks again. */
class Call<A, E, R, RD, RE> {
  /** How the call has ended, if it ends here. */
  outcome: Outcome = "error"
  private readonly wish: Wish<A, E, R, RD, RE>
  private readonly now: () => number
  private readonly since: number
  constructor(wish: Wish<A, E, R, RD, RE>, now: () => number) {
    this.wish = wish
    this.now = now
    this.since = now()
  }

  readonly look: Effect.Effect<A, E | OnceError, R | RD | RE> = Effect.suspend(() => {
    const { request: { place }, store } = this.wish
    return Effect.flatMap(
      store.range(place, { limit: 1 }),
      ({ entries: [entry], revision }) => entry?.key === place ? this.meet(entry, revision, false) : this.begin(0n)
    )
  })

  /** A record that is there, or, where one has waited for it, has come. */
  private meet(entry: Entry, revision: bigint, waited: boolean): Effect.Effect<A, E | OnceError, R | RD | RE> {
    const { conflict, error, request: { input, key }, success } = this.wish
    return Effect.flatMap(records.decode(key, entry), (record): Effect.Effect<A, E | OnceError, R | RD | RE> => {
      if (record._tag === "Failed") {
        if (!waited) return this.begin(entry.revision)
        this.outcome = "failed"
        return Effect.flatMap(valueOf(error, record.error, key, entry), Effect.fail)
      }
      if (record.input !== input) {
        this.outcome = "conflict"
        return Effect.fail(conflict(record.input))
      }
      if (record._tag === "Running") return this.wait(revision)
      return Effect.tap(valueOf(success, record.result, key, entry), () =>
        Effect.sync(() => {
          this.outcome = "shared"
        }))
    })
  }

  private wait(revision: bigint): Effect.Effect<A, E | OnceError, R | RD | RE> {
    const { request: { place, waitFor }, store } = this.wish
    this.outcome = "timeout"
    const timeout = Effect.suspend(() =>
      Effect.fail(new LeaseTimeout({ resource: place, waitedMillis: this.now() - this.since }))
    )
    const left = this.since + waitFor - this.now()
    if (left <= 0) return timeout
    const next = Effect.catchTag(
      Stream.runHead(store.watch(place, { from: revision + 1n })),
      "Compacted",
      () => Effect.succeedNone
    )
    return Effect.flatMap(bounded(next, left, timeout), (changed) => {
      const change = Option.isSome(changed) ? changed.value.changes[0] : undefined
      this.outcome = "error"
      return Option.isSome(changed) && change?._tag === "Put"
        ? this.meet(change.entry, changed.value.revision, true)
        : this.look
    })
  }

  /** Puts `Running` in the place of what was seen there, and runs; unless somebody was faster. */
  private begin(expected: bigint): Effect.Effect<A, E | OnceError, R | RD | RE> {
    const { request: { input, place, ttl }, store } = this.wish
    const run = Effect.flatMap(store.lease({ ttl }), (lease) =>
      records.encode({ _tag: "Running", input }).pipe(
        Effect.flatMap((running) => store.compareAndSet(place, expected, running, { lease })),
        Effect.matchEffect({
          onSuccess: (token) => Effect.map(this.run(lease, token), Effect.succeed),
          onFailure: (error) => error._tag === "Conflict" ? Effect.succeed(this.look) : Effect.fail(error)
        })
      ))
    // The scope ends, and with it the lease and what is bound to it, before the call looks again.
    return Effect.flatten(Effect.scoped(run))
  }

  private run(lease: KvLease, token: bigint): Effect.Effect<A, E | OnceError, R | RD | RE> {
    const { effect, request: { key } } = this.wish
    const run: Run = {
      key,
      token,
      isAlive: () => lease.isAlive(),
      guard: (effect) => lease.guard(effect)
    }
    this.outcome = "failed"
    return Effect.uninterruptibleMask((restore) =>
      Effect.matchEffect(restore(lease.run(Effect.exit(Effect.suspend(() => effect(run))))), {
        onFailure: ({ reason }) => this.lost(token, reason),
        onSuccess: (exit): Effect.Effect<A, E | OnceError, RE> =>
          Exit.isSuccess(exit)
            ? Effect.as(this.complete(lease, token, exit.value), exit.value)
            : Effect.andThen(this.publish(lease, token, exit.cause), exit)
      })
    )
  }

  /** Keeps the result. While the lease is alive, a store that does not answer is asked again: the run is not for nothing. */
  private complete(lease: KvLease, token: bigint, value: A): Effect.Effect<void, OnceError, RE> {
    const { request: { input, retention }, success } = this.wish
    return Effect.orDie(success.toJson(value)).pipe(
      Effect.flatMap((result) => this.replace(token, { _tag: "Done", input, token, result }, retention)),
      Effect.retry({
        schedule: Schedule.exponential("50 millis"),
        times: 6,
        while: ({ _tag }) => _tag === "StoreUnavailable" && lease.isAlive()
      }),
      Effect.tap(() =>
        Effect.sync(() => {
          this.outcome = "ran"
        })
      )
    )
  }

  /** Writes a record if `Running` is still there, or finds that it has done so before. */
  private replace(
    token: bigint,
    record: Record,
    retention: OnceRequest["retention"]
  ): Effect.Effect<void, InvalidKey | LeaseLost | StoreUnavailable> {
    const { request: { key, place }, store } = this.wish
    const isThere = Effect.flatMap(store.get(place), (entry) =>
      Option.isSome(entry)
        ? Effect.match(records.decode(key, entry.value), {
          onSuccess: (now) => now._tag === "Done" && now.token === token,
          onFailure: () => false
        })
        : Effect.succeed(false))
    return records.encode(record).pipe(
      Effect.flatMap((bytes) => store.compareAndSet(place, token, bytes, { ttl: retention })),
      Effect.catchTag(
        "Conflict",
        () => Effect.flatMap(isThere, (yes) => yes ? Effect.void : this.lost(token, "revoked"))
      ),
      Effect.asVoid
    )
  }

  /** Tells a failure to those who wait. Where it cannot be told they find nothing there, and run anew. */
  private publish(lease: KvLease, token: bigint, cause: Cause.Cause<E>): Effect.Effect<void, never, RE> {
    const { error, request: { place }, store } = this.wish
    const failure = Cause.findErrorOption(cause)
    if (Option.isNone(failure)) return Effect.void
    return error.toJson(failure.value).pipe(
      Effect.flatMap((error) => records.encode({ _tag: "Failed", error })),
      Effect.flatMap((bytes) => store.compareAndSet(place, token, bytes, { lease })),
      Effect.ignore
    )
  }

  private lost(token: bigint, reason: LeaseLost["reason"]): Effect.Effect<never, LeaseLost> {
    this.outcome = "lost"
    return Effect.fail(new LeaseLost({ resource: this.wish.request.place, token, reason }))
  }
}

export const call = <A, E, R, RD, RE>(
  fiber: Fiber.Fiber<unknown, unknown>,
  wish: Wish<A, E, R, RD, RE>
): Effect.Effect<A, E | OnceError, R | RD | RE> => {
  const call = new Call(wish, monotonic(fiber.getRef(Clock.Clock)))
  return Effect.onExitPrimitive(call.look, () => {
    const { backend } = wish.store
    counted(backend, () => ({ backend }))(fiber.context, call.outcome)
    return undefined
  })
}
