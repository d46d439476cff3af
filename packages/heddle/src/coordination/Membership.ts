/**
 * Tells every process of a group who else is in it.
 *
 * A member joins with a value, such as its address, and is in the group until it leaves, dies, or can no longer prove that it
 * lives. Everyone who looks sees the members in the order in which they joined.
 *
 * **When to use**
 *
 * To share work by key without a message for each key: all members that see the same view compute the same `owner` of a key.
 *
 * **Gotchas**
 *
 * Two processes may for a moment look at different views. Where a key must have one owner only, take a lock on it as well.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { traced } from "../internal/traced.ts"
import { following } from "./internal/following.ts"
import { checkKey, mostPermits } from "./internal/leaseRequest.ts"
import { digest, rank } from "./internal/rendezvous.ts"
import { type Counts, Tenure } from "./internal/Tenure.ts"
import type { ClaimRequest, Inspection, Lease, LeaseLost, Restore, StoreUnavailable } from "./Lease.ts"
import { InvalidClaim } from "./Lease.ts"
import type { Described, Weighted } from "./LeaseAbility.ts"
import { LeaseStore } from "./LeaseStore.ts"

/**
 * A member as everyone sees it. `id` is its own for as long as it is in the group.
 *
 * @category models
 * @since 0.1.0
 */
export interface Member<A> {
  readonly id: string
  readonly owner: string
  readonly value: A
}

/**
 * Who is in the group, in the order of joining.
 *
 * Two views with one `revision` have the same members, whatever their values, and understand the same of them: the owners of
 * all keys are the same in both. It is a digest of 64 bits.
 *
 * @category models
 * @since 0.1.0
 */
export interface View<A> {
  readonly revision: string
  readonly members: ReadonlyArray<Member<A>>
  /** Members whose value the schema does not understand, with the text of the value. They own no key. */
  readonly undecodable: ReadonlyArray<Member<string>>
}

/**
 * One's own membership.
 *
 * @category models
 * @since 0.1.0
 */
export interface Membership<A> extends Pick<Lease, "id" | "run" | "guard"> {
  /** Whether the membership can be proved to last at this moment: one comparison with the clock, no round trip. */
  isMember(): boolean
  /** Replaces one's own value. One round trip. */
  update(value: A): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable>
  /**
   * Leaves: interrupts what runs under the membership, waits for its finalizers, then gives the membership up and waits until
   * the store has seen it. From inside of what runs, it interrupts its own caller.
   */
  readonly leave: Effect.Effect<void, StoreUnavailable>
}

/**
 * How to join.
 *
 * @category models
 * @since 0.1.0
 */
export interface JoinOptions {
  /** Who joins, as everyone sees it. Default: the layer's `owner`. */
  readonly owner?: string | undefined
  /** How long the membership outlives a process that died, 10 ms to 1 day. Default 10 seconds. */
  readonly ttl?: Duration.Input | undefined
}

/**
 * What a group stands on.
 *
 * @category models
 * @since 0.1.0
 */
export type Needs = LeaseStore | Described | Weighted

/**
 * A group whose members have values of one type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Group<A> {
  /**
   * Joins until the scope closes, `leave`, or the membership is lost. A member that is lost is not joined again by itself: what
   * it does under `run` is interrupted with `LeaseLost`, and it may join anew. What runs under it has ended before others see
   * that it left.
   *
   * **Interruption**
   *
   * A membership that began at that moment ends.
   */
  readonly join: (
    value: A,
    options?: JoinOptions
  ) => Effect.Effect<Membership<A>, InvalidClaim | StoreUnavailable, Scope.Scope | Needs>
  /** Who is in the group now. One round trip. */
  readonly members: Effect.Effect<View<A>, InvalidClaim | StoreUnavailable, Needs>
  /**
   * Who is in the group: now, and again after each change; a slow reader sees the latest. It fails if the store cannot be
   * reached at its start; afterwards it goes on when the store is back.
   */
  readonly changes: Stream.Stream<View<A>, InvalidClaim | StoreUnavailable, Needs>
}

/**
 * A group by its name.
 *
 * **Example** (Sharing keys)
 *
 * ```ts
 * import { Effect, Option, Schema } from "effect"
 * import { LeaseStore, Membership } from "heddle/coordination"
 *
 * const workers = Membership.make({ group: "workers", value: Schema.String })
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   yield* workers.join("10.0.0.1")
 *   yield* workers.join("10.0.0.2")
 *   const view = yield* workers.members
 *   const owner = Membership.owner(view, "customer/7")
 *   return [view.members.length, Option.isSome(owner)]
 * }))
 *
 * await Effect.runPromise(program.pipe(Effect.provide(LeaseStore.layerMemory))) // => [2, true]
 * ```
 *
 * @category groups
 * @since 0.1.0
 */
export const make = <A, I>(
  { group, value: schema }: { readonly group: string; readonly value: Schema.Codec<A, I> }
): Group<A> => {
  const resource = `membership/${group}`
  const encode = Schema.encodeUnknownResult(schema)
  const decode = Schema.decodeUnknownResult(schema)
  const toText = (value: A): string | InvalidClaim =>
    Result.match(encode(value), {
      onFailure: (error) =>
        new InvalidClaim({ field: "value", message: `value is not what the schema says: ${error.message}` }),
      onSuccess: (encoded) => JSON.stringify(encoded)
    })
  const checked = <B, E, R>(
    run: (store: LeaseStore["Service"]) => Effect.Effect<B, E, R>
  ): Effect.Effect<B, E | InvalidClaim, R | LeaseStore> =>
    Effect.flatMap(LeaseStore, (store): Effect.Effect<B, E | InvalidClaim, R> => {
      const wrong = checkKey(group, "group")
      return wrong === undefined ? run(store) : Effect.fail(wrong)
    })
  const view = ({ holders }: Inspection): View<A> => {
    const members: Array<Member<A>> = []
    const undecodable: Array<Member<string>> = []
    for (const { id, owner, value: text } of holders) {
      const value = decode(parse(text))
      if (Result.isSuccess(value)) members.push({ id, owner, value: value.success })
      else undecodable.push({ id, owner, value: text })
    }
    const owners = members.map(({ id }) => id)
    return { revision: digest([...owners, ...undecodable.map(({ id }) => `?${id}`)]), members, undecodable }
  }
  const membershipOf = (tenure: Tenure): Membership<A> => ({
    id: tenure.lease.id,
    run: (effect) => tenure.run(effect),
    guard: (effect) => tenure.guard(effect),
    isMember: () => tenure.isHeld(),
    leave: tenure.leave,
    update: (value) =>
      Effect.suspend((): Effect.Effect<void, InvalidClaim | LeaseLost | StoreUnavailable> => {
        const text = toText(value)
        return text instanceof InvalidClaim ? Effect.fail(text) : tenure.update(text)
      })
  })
  return {
    join: (value, { owner, ttl } = {}) =>
      checked((store) => {
        const text = toText(value)
        if (text instanceof InvalidClaim) return Effect.fail(text)
        const request = { resource, owner, ttl, value: text, limit: mostPermits }
        return Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(
            joined(store, group, request, restore),
            (tenure) => Effect.as(Effect.addFinalizer(() => tenure.close), membershipOf(tenure))
          )
        )
      }),
    members: checked((store) => Effect.map(store.inspect(resource), view)),
    changes: Stream.unwrap(checked((store) => Effect.succeed(Stream.map(following(store.changes(resource)), view))))
  }
}

const counts: Counts = {
  begun: Metric.counter("heddle_membership_joins_total", {
    description: "How often this process has joined a group",
    incremental: true
  }),
  now: Metric.gauge("heddle_membership_joined", {
    description: "Memberships of this process now, as far as it has found out"
  })
}

const joined = (
  store: LeaseStore["Service"],
  group: string,
  request: ClaimRequest,
  restore: Restore
): Effect.Effect<Tenure, InvalidClaim | StoreUnavailable> =>
  traced(
    "Membership.join",
    { "heddle.backend": store.backend, "heddle.group": group },
    store.acquire(request, restore).pipe(
      Effect.catchTag(["LimitMismatch", "LeaseTimeout"], Effect.die),
      Effect.flatMap((lease) => Tenure.make(lease, counts, store.backend))
    )
  )

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * The member that owns the key: all who see the same members compute the same one, and a member that joins or leaves moves only
 * the keys that it gains or had. `None` where the group is empty.
 *
 * **Details**
 *
 * Rendezvous hashing, also called highest random weight (D. Thaler and C. Ravishankar, 1996). Sorts the members.
 *
 * @category sharing
 * @since 0.1.0
 */
export const owner = <A>(view: View<A>, key: string): Option.Option<Member<A>> =>
  Option.fromUndefinedOr(owners(view, key, 1)[0])

/**
 * The `count` members that own the key, the first one first: for copies. Fewer where the group has not so many.
 *
 * @category sharing
 * @since 0.1.0
 */
export const owners = <A>(view: View<A>, key: string, count: number): ReadonlyArray<Member<A>> =>
  rank(view.members, key).slice(0, Math.max(0, count))
