import type { Context, Option } from "effect"
import { Effect, Schema } from "effect"
import { type Lease, type LeaseAbility, type LeaseStore, Membership } from "heddle/coordination"
import { expectTypeOf, test } from "vitest"

interface Clockwork {
  readonly _: unique symbol
}
declare const Clockwork: Context.Service<Clockwork, { readonly now: number }>
declare const served: Schema.Codec<Date, string, Clockwork>

const group = Membership.make({ group: "g", value: Schema.Struct({ since: Schema.DateFromString }) })
interface Value {
  readonly since: Date
}

test("a value is what the schema decodes to, not what is kept", () => {
  expectTypeOf(group).toEqualTypeOf<Membership.Group<Value>>()
  // @ts-expect-error what is kept is not what a member joins with
  group.join({ since: "2026-11-26" })
  expectTypeOf<Parameters<Membership.Membership<Value>["update"]>>().toEqualTypeOf<[value: Value]>()
})

test("a member that cannot be understood is told with its text, and is no failure", () => {
  expectTypeOf<Membership.View<Value>["undecodable"]>().toEqualTypeOf<ReadonlyArray<Membership.Member<string>>>()
  expectTypeOf<Effect.Error<typeof group.members>>().toEqualTypeOf<Lease.InvalidClaim | Lease.StoreUnavailable>()
})

test("a group needs a store that lets many in and whose holders have values", () => {
  expectTypeOf<Membership.Needs>().toEqualTypeOf<
    LeaseStore.LeaseStore | LeaseAbility.Weighted | LeaseAbility.Described
  >()
})

test("a key has an owner of the members' type, or none", () => {
  const owner = Effect.map(group.members, (view) => Membership.owner(view, "key"))
  expectTypeOf<Effect.Success<typeof owner>>().toEqualTypeOf<Option.Option<Membership.Member<Value>>>()
})

test("a schema that needs a service cannot be used where nobody provides it", () => {
  // @ts-expect-error every look would need it
  const needy = Membership.make({ group: "g", value: served })
  expectTypeOf<Effect.Services<typeof needy.members>>().toEqualTypeOf<Membership.Needs>()
})
