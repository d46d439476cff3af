import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Backend, Outcome, Steps, Target } from "../KvBackend.ts"
import type { Changed, Compacted, Entry, KvLease, PutOptions, Range, Transaction } from "../KvEntry.ts"
import { Conflict, InvalidKey } from "../KvEntry.ts"
import type { KvStore, KvTransactions, RangeOptions, ReadError, WatchOptions, WriteError } from "../KvStore.ts"
import { LeaseLost } from "../Lease.ts"
import { HeldKvLease } from "./kvLease.ts"
import { checkKey, checkLimit, checkPrefix, checkRevision, leaseTtl, toCommit } from "./kvRequest.ts"
import { Keeper, type Kept } from "./leaseKeeper.ts"
import { leaseMetrics } from "./leaseMetrics.ts"

/** What a backend's steps become: checked input, typed refusals, and leases that are renewed and watched. */
export const makeKv = <E, R>(backend: Backend<E, R>): Effect.Effect<
  { readonly store: KvStore["Service"]; readonly transactions: KvTransactions["Service"] },
  E,
  R | Scope.Scope
> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const context = yield* Effect.context<never>()
    const leases = new Map<string, HeldKvLease>()
    const steps = yield* backend.steps((id) => void leases.get(id)?.revoked())
    const keeper = new Keeper<Kept>(steps.renew, clock, leaseMetrics(backend.backend, context))
    yield* Effect.forkScoped(keeper.alarm.run)
    const store = new Store(backend.backend, steps, keeper, leases)
    return { store, transactions: { transact: store.transact } }
  })

class Store {
  readonly backend: string
  private readonly steps: Steps
  private readonly keeper: Keeper<Kept>
  private readonly leases: Map<string, HeldKvLease>
  constructor(backend: string, steps: Steps, keeper: Keeper<Kept>, leases: Map<string, HeldKvLease>) {
    this.backend = backend
    this.steps = steps
    this.keeper = keeper
    this.leases = leases
  }

  readonly get = (key: string): Effect.Effect<Option.Option<Entry>, ReadError> =>
    checked(checkKey(key), () => Effect.map(this.steps.get(key), Option.fromUndefinedOr))

  readonly range = (prefix: string, options: RangeOptions = {}): Effect.Effect<Range, ReadError> => {
    const { after, limit = 1000 } = options
    const wrong = checkPrefix(prefix) ?? checkLimit(limit) ?? (after === undefined ? undefined : checkKey(after))
    return checked(wrong, () => this.steps.range(prefix, after, limit))
  }

  readonly put = (key: string, value: Uint8Array, options?: PutOptions): Effect.Effect<bigint, WriteError> =>
    Effect.catchTag(this.transact({ writes: [{ _tag: "Put", key, value, ...options }] }), "Conflict", Effect.die)

  readonly delete = (key: string): Effect.Effect<boolean, ReadError> =>
    checked(checkKey(key), () =>
      Effect.map(
        this.steps.commit({ checks: [], writes: [{ _tag: "Delete", key }] }),
        (outcome) => outcome._tag === "Committed" && outcome.deleted > 0
      ))

  readonly compareAndSet = (
    key: string,
    expected: bigint,
    value: Uint8Array,
    options?: PutOptions
  ): Effect.Effect<bigint, Conflict | WriteError> =>
    this.transact({ checks: [{ key, revision: expected }], writes: [{ _tag: "Put", key, value, ...options }] })

  readonly compareAndDelete = (key: string, expected: bigint): Effect.Effect<void, Conflict | ReadError> =>
    this.transact({ checks: [{ key, revision: expected }], writes: [{ _tag: "Delete", key }] }).pipe(
      Effect.catchTag("LeaseLost", Effect.die),
      Effect.asVoid
    )

  readonly transact = (transaction: Transaction): Effect.Effect<bigint, Conflict | WriteError> =>
    Effect.suspend((): Effect.Effect<bigint, Conflict | WriteError> => {
      const commit = toCommit(transaction)
      if (commit instanceof InvalidKey) return Effect.fail(commit)
      for (const write of transaction.writes) {
        const lease = write._tag === "Put" ? write.lease : undefined
        if (lease !== undefined && !lease.isAlive()) return lease.guard(Effect.never)
      }
      return Effect.flatMap(this.steps.commit(commit), (outcome) => this.settle(commit.checks, outcome))
    })

  readonly lease = (
    options: { readonly ttl?: Duration.Input | undefined } = {}
  ): Effect.Effect<KvLease, ReadError, Scope.Scope> =>
    Effect.suspend((): Effect.Effect<KvLease, ReadError, Scope.Scope> => {
      const ttl = leaseTtl(options.ttl)
      if (ttl instanceof InvalidKey) return Effect.fail(ttl)
      return Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(restore(this.steps.grant(ttl)), (granted) => {
          const lease = new HeldKvLease(granted, this.keeper, this.steps)
          this.leases.set(lease.id, lease)
          const end = Effect.sync(() => {
            lease.releaseUnsafe()
            this.leases.delete(lease.id)
          })
          return Effect.as(Effect.addFinalizer(() => end), lease)
        })
      )
    })

  readonly watch = (key: string, options: WatchOptions = {}): Stream.Stream<Changed, Compacted | ReadError> =>
    this.follow(checkKey(key), { key, prefix: false }, options.from)

  readonly watchPrefix = (prefix: string, options: WatchOptions = {}): Stream.Stream<Changed, Compacted | ReadError> =>
    this.follow(checkPrefix(prefix), { key: prefix, prefix: true }, options.from)

  private follow(
    wrong: InvalidKey | undefined,
    target: Target,
    from: bigint | undefined
  ): Stream.Stream<Changed, Compacted | ReadError> {
    const refused = wrong ?? checkRevision("from", from)
    return refused === undefined ? this.steps.watch(target, from) : Stream.fail(refused)
  }

  private settle(
    checks: Transaction["checks"],
    outcome: Outcome
  ): Effect.Effect<bigint, Conflict | LeaseLost> {
    switch (outcome._tag) {
      case "Committed":
        return Effect.succeed(outcome.revision)
      case "Conflict": {
        const { actual, key } = outcome
        const expected = checks?.find((check) => check.key === key)?.revision ?? 0n
        return Effect.fail(new Conflict({ key, expected, actual }))
      }
      case "Unleased": {
        const lost = this.leases.get(outcome.lease)?.revoked()
        return Effect.fail(
          lost ?? new LeaseLost({ resource: `lease ${outcome.lease}`, token: 0n, reason: "revoked" })
        )
      }
    }
  }
}

const checked = <A, E>(
  wrong: InvalidKey | undefined,
  run: () => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidKey> => wrong === undefined ? Effect.suspend(run) : Effect.fail(wrong)
