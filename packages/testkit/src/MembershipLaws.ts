/**
 * What `Membership` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LeaseStore, Membership } from "heddle/coordination"
import { patternLawOf } from "./laws/patternStage.ts"
import { inTime } from "./laws/Stage.ts"

const Address = Schema.Struct({ host: Schema.String, port: Schema.Int })
const at = (port: number) => ({ host: "localhost", port })
const groupOf = (group: string) => Membership.make({ group, value: Address })
const ports = (view: Membership.View<typeof Address.Type>) => view.members.map(({ value }) => value.port)

/** Waits until the members are those at these ports. */
const shows = (group: string, wanted: ReadonlyArray<number>) =>
  inTime(
    `the members are ${wanted.join()}`,
    Stream.runHead(Stream.filter(groupOf(group).changes, (view) => ports(view).join() === wanted.join()))
  )

/**
 * Registers the laws of `Membership` as one suite. The layer, built twice, stands for two processes on one backend.
 *
 * @category laws
 * @since 0.1.0
 */
export const membershipLaws = <E>(name: string, layer: Layer.Layer<Membership.Needs, E>): void => {
  describe(`${name} keeps the laws of Membership`, () => {
    const law = patternLawOf(layer)

    law(
      "everyone sees who is in the group, in the order of joining, with typed values",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          assert.deepStrictEqual((yield* here(groupOf(name).members)).members, [])
          const one = yield* here(groupOf(name).join(at(1), { owner: "one" }))
          const two = yield* there(groupOf(name).join(at(2), { owner: "two" }))
          const views = [yield* here(groupOf(name).members), yield* there(groupOf(name).members)]
          for (const { members } of views) {
            assert.deepStrictEqual(members, [
              { id: one.id, owner: "one", value: at(1) },
              { id: two.id, owner: "two", value: at(2) }
            ])
          }
          assert.strictEqual(views[0]?.revision, views[1]?.revision)
        })
    )

    law("who leaves, or whose scope closes, is seen to be gone", ({ here, name, there }) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const one = yield* here(groupOf(name).join(at(1)))
        yield* Scope.provide(there(groupOf(name).join(at(2))), scope)
        yield* here(shows(name, [1, 2]))
        yield* Scope.close(scope, Exit.void)
        yield* here(shows(name, [1]))
        yield* one.leave
        assert.isFalse(one.isMember())
        yield* there(shows(name, []))
      }))

    law("a member changes its value, and the revision stays", ({ here, name, there }) =>
      Effect.gen(function*() {
        const one = yield* here(groupOf(name).join(at(1)))
        const before = yield* there(groupOf(name).members)
        yield* one.update(at(9))
        const after = yield* there(groupOf(name).members)
        assert.deepStrictEqual([ports(before), ports(after)], [[1], [9]])
        assert.strictEqual(before.revision, after.revision)
        yield* here(groupOf(name).join(at(2)))
        assert.notStrictEqual((yield* there(groupOf(name).members)).revision, before.revision)
      }))

    law(
      "all see one owner of a key, and a member that leaves moves only its own keys",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const keys = Array.from({ length: 200 }, (_, n) => `key-${n}`)
          const members = yield* Effect.forEach(
            [1, 2, 3, 4],
            (port) => (port % 2 === 0 ? here : there)(groupOf(name).join(at(port)))
          )
          const mine = yield* here(groupOf(name).members)
          const theirs = yield* there(groupOf(name).members)
          const ownerOf = (view: typeof mine, key: string) =>
            Effect.map(Effect.fromOption(Membership.owner(view, key)), ({ value }) => value.port)
          const before = yield* Effect.forEach(keys, (key) => ownerOf(mine, key))
          assert.deepStrictEqual(yield* Effect.forEach(keys, (key) => ownerOf(theirs, key)), before)
          assert.strictEqual(new Set(before).size, 4)
          yield* members[2]?.leave ?? Effect.die("there are four")
          const later = yield* here(groupOf(name).members)
          const after = yield* Effect.forEach(keys, (key) => ownerOf(later, key))
          keys.forEach((_, n) => {
            if (before[n] !== 3) assert.strictEqual(after[n], before[n])
          })
        })
    )

    law(
      "a value that the schema does not understand is told beside the others",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const strings = Membership.make({ group: name, value: Schema.String })
          const odd = yield* there(strings.join("not an address"))
          const one = yield* here(groupOf(name).join(at(1)))
          const view = yield* here(groupOf(name).members)
          assert.deepStrictEqual(view.members.map(({ id }) => id), [one.id])
          assert.deepStrictEqual(view.undecodable.map(({ id, value }) => [id, value]), [[odd.id, "\"not an address\""]])
        })
    )

    law("what a member runs is interrupted when it has left", ({ here, name }) =>
      Effect.gen(function*() {
        const one = yield* here(groupOf(name).join(at(1)))
        const left = yield* Effect.flip(inTime("the work ends", one.run(Effect.andThen(one.leave, Effect.never))))
        assert.deepInclude(left, { _tag: "LeaseLost", reason: "released" })
      }))

    law("input that means nothing is refused", ({ here }) =>
      Effect.gen(function*() {
        const refused = yield* Effect.flip(here(groupOf("").join(at(1))))
        assert.deepInclude(refused, { _tag: "InvalidClaim", field: "group" })
        const store = yield* here(LeaseStore.LeaseStore)
        assert.isString(store.backend)
      }))
  })
}
