import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Broker, RequestReply } from "heddle/messaging"
import type { BrokerAbilities } from "../BrokerLaws.ts"
import { type BrokerLaw, events, eventually, having, numbers, publish, received } from "./brokerStage.ts"

export const brokerGroupLaws = (law: BrokerLaw, { groups: has, shared }: BrokerAbilities): void => {
  having(law, has)(
    "AC-32.1: each message goes to one of a group, and to each group",
    ({ broker, groups, subject }) =>
      Effect.gen(function*() {
        const members = yield* Effect.forEach(numbers(3), () => groups.join(subject, "a"))
        const other = yield* groups.join(subject, "b")
        const all = yield* broker.subscribe(subject)
        for (const one of numbers(90)) yield* publish(broker, subject, [one])
        const sum = Effect.map(
          Effect.forEach(members, ({ stats }) => stats),
          (all) => all.reduce((sum, { received }) => sum + received, 0)
        )
        yield* received(all, 90)
        yield* received(other, 90)
        yield* eventually("all are given", Effect.map(sum, (sum) => sum === 90))
        const heard = yield* Effect.forEach(
          members,
          (one) => Effect.flatMap(one.stats, ({ received }) => events(one, received))
        )
        assert.deepStrictEqual(heard.flat().toSorted((a, b) => Number(a) - Number(b)), numbers(90))
        assert.deepStrictEqual(yield* events(other, 90), numbers(90))
      })
  )

  having(law, has)(
    "who leaves a group gets nothing more, and the others get all",
    ({ broker, groups, subject }) =>
      Effect.gen(function*() {
        const stays = yield* groups.join(`${subject}.*`, "a")
        yield* Effect.scoped(Effect.asVoid(groups.join(`${subject}.*`, "a")))
        yield* publish(broker, `${subject}.x`, numbers(20))
        assert.deepStrictEqual(yield* events(stays, 20), numbers(20))
      })
  )

  having(law, has)(
    "groups of one name and different patterns are different groups",
    ({ broker, groups, subject }) =>
      Effect.gen(function*() {
        const all = [yield* groups.join(`${subject}.*`, "a"), yield* groups.join(`${subject}.>`, "a")]
        yield* publish(broker, `${subject}.x`, ["1"])
        for (const one of all) assert.deepStrictEqual(yield* events(one, 1), ["1"])
      })
  )

  having(law, has === true ? shared : undefined)(
    "members in several processes share a group",
    ({ another, groups, subject }) =>
      Effect.gen(function*() {
        const one = yield* another
        const members = [yield* groups.join(subject, "a"), yield* one.groups.join(subject, "a")]
        yield* publish(one.broker, subject, numbers(40))
        const sum = Effect.map(
          Effect.forEach(members, ({ stats }) => stats),
          (all) => all.reduce((sum, { received }) => sum + received, 0)
        )
        yield* eventually("all are given", Effect.map(sum, (sum) => sum >= 40))
        const heard = yield* Effect.forEach(
          members,
          (one) => Effect.flatMap(one.stats, ({ received }) => events(one, received))
        )
        assert.deepStrictEqual(heard.flat().toSorted((a, b) => Number(a) - Number(b)), numbers(40))
      })
  )

  having(law, has === true && shared === true ? true : undefined)(
    "AC-36.6: a question is answered by another process, within its time",
    ({ another, broker, subject }) =>
      Effect.gen(function*() {
        const sum = RequestReply.make({ name: subject, request: Schema.Array(Schema.Number), reply: Schema.Number })
        const other = yield* another
        const answering = sum.answer((all) => Effect.succeed(all.reduce((sum, it) => sum + it, 0)))
        yield* answering.pipe(
          Effect.provideService(Broker.Broker, other.broker),
          Effect.provideService(Broker.BrokerGroups, other.groups)
        )
        const asked = Effect.provideService(sum.ask([4, 6]), Broker.Broker, broker)
        assert.strictEqual(yield* asked, 10)
      })
  )
}
