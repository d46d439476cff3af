/**
 * What `Barrier` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { Barrier, KvStore } from "heddle/coordination"
import type { KvAbilities } from "./KvStoreLaws.ts"
import { kvPatternLawOf, type Watches, watches } from "./laws/kvPatternStage.ts"
import { inTime } from "./laws/Stage.ts"

/**
 * Registers the laws of `Barrier` as one suite. Stores that are built from the layer one after another must see the same
 * keys.
 *
 * @category laws
 * @since 0.1.0
 */
export const barrierLaws = <E>(
  name: string,
  layer: Layer.Layer<KvStore.KvStore, E>,
  { leastTtl = 200 }: Pick<KvAbilities, "leastTtl"> = {}
): void => {
  const law = kvPatternLawOf(layer)
  const all = { concurrency: "unbounded" } as const

  describe(`${name} keeps the laws of Barrier`, () => {
    law(
      "nobody goes on before all have come, and then all do, again and again",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const barrier = Barrier.make({ key, parties: 4 })
          const come = Array<number>()
          const party = Effect.forEach([0, 1, 2], (round) =>
            Effect.gen(function*() {
              come.push(round)
              yield* barrier.await
              assert.strictEqual(come.filter((one) => one === round).length, 4)
            }))
          yield* inTime("all go on", Effect.all([party, elsewhere(party), party, elsewhere(party)], all))
        })
    )

    law(
      "barriers with other keys are apart, also where one key begins with the other",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const [one, other] = ["a", "a/0"].map((end) => Barrier.make({ key: `${key}/${end}`, parties: 2 }).await)
          if (one === undefined || other === undefined) return
          const others = yield* waiting((on) => on(other))
          const first = yield* waiting((on) => on(one))
          yield* inTime("the other opens", Effect.andThen(elsewhere(other), Fiber.join(others)))
          assert.isUndefined(first.pollUnsafe())
          yield* inTime("the one opens", Effect.andThen(elsewhere(one), Fiber.join(first)))
        })
    )

    law(
      "one who is interrupted breaks it for those who wait, and the next generation opens",
      (stage) =>
        Effect.gen(function*() {
          const { await: barrier } = Barrier.make({ key: stage.name, parties: 3 })
          const first = yield* waiting((on) => on(Effect.flip(barrier)))
          const leaver = yield* waiting((on) => on(barrier))
          yield* Fiber.interrupt(leaver)
          assert.deepStrictEqual(yield* tagsOf(first), ["BarrierBroken"])
          yield* inTime("the next one opens", Effect.all([barrier, stage.elsewhere(barrier), barrier], all))
        })
    )

    law("one who dies breaks it for those who wait", ({ mortal, name: key }) =>
      Effect.gen(function*() {
        const { await: barrier } = Barrier.make({ key, parties: 3, ttl: leastTtl })
        const { die, on } = yield* mortal
        const first = yield* waiting((watching) => watching(Effect.flip(barrier)))
        const party = yield* waiting((watching) => on(watching(barrier)))
        yield* die
        assert.deepStrictEqual(yield* tagsOf(first), ["BarrierBroken"])
        yield* Fiber.interrupt(party)
      }))

    law(
      "one who was given up for dead is told so, like the others",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const store = yield* KvStore.KvStore
          const failed = Effect.flip(Barrier.make({ key, parties: 3 }).await)
          const first = yield* waiting((on) => on(failed), (on) => elsewhere(on(failed)))
          const { entries } = yield* store.range(`heddle/barrier/${key}/`)
          assert.strictEqual(entries.length, 2)
          // What the end of its lease does.
          yield* store.delete(entries[0]?.key ?? "")
          assert.deepStrictEqual(yield* tagsOf(first), ["BarrierBroken", "BarrierBroken"])
        })
    )

    law("one who gives up breaks it for those who wait", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        const first = yield* waiting((on) => on(Effect.flip(Barrier.make({ key, parties: 3 }).await)))
        // Who gives up before it has come breaks nothing: on a slow server it has to be less hasty.
        for (let waitFor = 50; waitFor < 10_000 && first.pollUnsafe() === undefined; waitFor *= 3) {
          const hasty = Effect.flip(Barrier.make({ key, parties: 3, waitFor }).await)
          assert.strictEqual((yield* inTime("it gives up", elsewhere(hasty)))._tag, "LeaseTimeout")
          yield* Effect.timeoutOption(Fiber.await(first), waitFor)
        }
        assert.deepStrictEqual(yield* tagsOf(first), ["BarrierBroken"])
      }))

    law(
      "another number of parties is refused, and those who wait do not mind",
      ({ elsewhere, name: key }) =>
        Effect.gen(function*() {
          const { await: barrier } = Barrier.make({ key, parties: 2 })
          const first = yield* waiting((on) => on(barrier))
          const refused = yield* Effect.flip(elsewhere(Barrier.make({ key, parties: 3 }).await))
          assert.deepInclude(refused, { _tag: "PartiesMismatch", key, parties: 3, actual: 2 })
          yield* inTime("it opens", Effect.all([elsewhere(barrier), Fiber.join(first)], all))
        })
    )

    law("of more callers than parties just so many go on", ({ elsewhere, name: key }) =>
      Effect.gen(function*() {
        const { await: barrier } = Barrier.make({ key, parties: 3 })
        const told = yield* Queue.unbounded<string>()
        const passed = Effect.andThen(Effect.result(barrier), (result) =>
          Queue.offer(told, result._tag === "Success" ? "passed" : result.failure._tag))
        for (const call of [passed, elsewhere(passed), passed, elsewhere(passed)]) {
          yield* Effect.forkScoped(call)
        }
        const three = yield* inTime(
          "three are told",
          Effect.all([Queue.take(told), Queue.take(told), Queue.take(told)])
        )
        const fourth = three.every((tag) =>
            tag === "passed"
          )
          ? []
          : [yield* inTime("all are told", Queue.take(told))]
        const all = [...three, ...fourth, ...(yield* Queue.clear(told))]
        assert.strictEqual(all.filter((tag) => tag === "passed").length, 3)
        assert.includeMembers(["passed", "PartiesMismatch"], all)
      }))

    law("a state that cannot be decoded is told with its bytes", ({ name: key }) =>
      Effect.gen(function*() {
        const store = yield* KvStore.KvStore
        const first = yield* waiting((on) => on(Effect.flip(Barrier.make({ key, parties: 2 }).await)))
        yield* store.put(`heddle/barrier/${key}/state`, Uint8Array.of(1))
        assert.deepStrictEqual(yield* tagsOf(first), ["Undecodable"])
      }))

    law("what means nothing is refused", ({ name: key }) =>
      Effect.gen(function*() {
        const wrong = { key: "", parties: 1.5, ttl: 0, waitFor: NaN }
        for (const [field, value] of Object.entries(wrong)) {
          const barrier = Barrier.make({ key, parties: 1, [field]: value })
          assert.deepInclude(yield* Effect.flip(barrier.await), { _tag: "InvalidKey", field })
        }
      }))
  })
}

/** Starts parties, and returns when all of them wait. */
const waiting = <A, E, R>(...parties: ReadonlyArray<(on: Watches["watching"]) => Effect.Effect<A, E, R>>) =>
  Effect.gen(function*() {
    const { seen, watching } = yield* watches
    const fiber = yield* Effect.forkScoped(
      Effect.all(parties.map((party) => party(watching)), { concurrency: "unbounded" })
    )
    yield* seen(parties.length)
    return fiber
  })

const tagsOf = <E extends { readonly _tag: string }, E2>(waiting: Fiber.Fiber<ReadonlyArray<E>, E2>) =>
  Effect.map(inTime("those who wait are told", Fiber.join(waiting)), (errors) => errors.map(({ _tag }) => _tag))
