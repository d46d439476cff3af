import type { Context, Layer, Option, Scope, Stream } from "effect"
import { Effect } from "effect"
import { LeaderElection, type Lease, type LeaseAbility, type LeaseStore, Singleton } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

declare const exclusive: Layer.Layer<LeaseStore.LeaseStore>
interface Clockwork {
  readonly _: unique symbol
}
declare const Clockwork: Context.Service<Clockwork, { readonly now: number }>

test("an election needs a store whose tokens only grow and whose holders have values", () => {
  expectTypeOf<LeaderElection.Needs>().toEqualTypeOf<
    LeaseStore.LeaseStore | LeaseAbility.Fenced | LeaseAbility.Described
  >()
  expectTypeOf(LeaderElection.campaign("e")).toEqualTypeOf<
    Effect.Effect<LeaderElection.Leadership, LeaderElection.CampaignError, Scope.Scope | LeaderElection.Needs>
  >()
  expectTypeOf(LeaderElection.observe("e")).toEqualTypeOf<
    Stream.Stream<
      Option.Option<LeaderElection.Leader>,
      Lease.InvalidClaim | Lease.StoreUnavailable,
      LeaderElection.Needs
    >
  >()
  // @ts-expect-error a layer that only excludes does not carry an election
  void Effect.runPromise(LeaderElection.runAsLeader("e")(Effect.void).pipe(Effect.provide(exclusive)))
})

test("work keeps its result, its errors and its needs, and a lost term is none of them", () => {
  const work = LeaderElection.runAsLeader("e")(({ term }) => Effect.as(Effect.asVoid(Clockwork), term))
  expectTypeOf(work).toEqualTypeOf<
    Effect.Effect<bigint, LeaderElection.CampaignError, Clockwork | LeaderElection.Needs>
  >()
  expectTypeOf<Extract<LeaderElection.CampaignError, Lease.LeaseLost>>().toBeNever()
  const fails = Singleton.run("job")(Effect.fail("mine" as const))
  expectTypeOf<Effect.Error<typeof fails>>().toEqualTypeOf<"mine" | LeaderElection.CampaignError>()
})

test("a leader can neither renew nor give back its lease past the election", () => {
  expectTypeOf<keyof LeaderElection.Leadership>().toEqualTypeOf<
    "id" | "term" | "isLeader" | "run" | "guard" | "proclaim" | "resign"
  >()
})

test("a singleton's layer has no services, and waits for its turn without a bound", () => {
  expectTypeOf(Singleton.layer("job")(Effect.asVoid(Clockwork))).toEqualTypeOf<
    Layer.Layer<never, Lease.InvalidClaim, Clockwork | LeaderElection.Needs>
  >()
  // @ts-expect-error it waits for as long as the layer lives
  Singleton.layer("job", { waitFor: 1 })
})
