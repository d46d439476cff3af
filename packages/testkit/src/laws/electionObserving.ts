import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LeaderElection } from "heddle/coordination"
import type { ElectionAbilities } from "../LeaderElectionLaws.ts"
import { type ElectionLaw, observing } from "./electionStage.ts"
import { inTime } from "./Stage.ts"

export const electionObservingLaws = (law: ElectionLaw, { watchers }: ElectionAbilities): void => {
  law(
    "AC-07.2 who observes sees the present first, then each change once, and no older term after a newer",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        const { heard, terms, until } = yield* there(observing(name))
        yield* until("nobody")
        const first = yield* here(LeaderElection.campaign(name, { owner: "one", value: "a" }))
        yield* until("one:a")
        yield* first.proclaim("b")
        yield* until("one:b")
        yield* first.resign
        yield* until("nobody")
        const second = yield* here(LeaderElection.campaign(name, { owner: "two" }))
        yield* until("two:")
        assert.deepStrictEqual(heard, ["nobody", "one:a", "one:b", "nobody", "two:"])
        assert.deepStrictEqual(terms, [first.term, first.term, second.term])
      })
  )

  law(
    "AC-07.2 an observer that does not read blocks nobody, and one that reads late is told what is true then",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        const reads = yield* Deferred.make<void>()
        const stuck = yield* Deferred.make<void>()
        const told: Array<Option.Option<bigint>> = []
        const last = yield* Deferred.make<bigint>()
        const slow = Stream.runForEach(LeaderElection.observe(name), (now) =>
          Effect.gen(function*() {
            told.push(Option.map(now, ({ term }) => term))
            yield* Deferred.succeed(stuck, undefined)
            yield* Deferred.await(reads)
            if (Option.isSome(now) && now.value.value === "last") yield* Deferred.succeed(last, now.value.term)
          }))
        yield* Effect.forkScoped(there(slow))
        yield* inTime("the observer is told the present", Deferred.await(stuck))
        for (let round = 0; round < 20; round++) {
          const mine = yield* here(LeaderElection.campaign(name))
          yield* mine.proclaim(`round ${round}`)
          yield* mine.resign
        }
        const mine = yield* here(LeaderElection.campaign(name, { value: "last" }))
        const late = yield* inTime("a late observer is told", there(Stream.runHead(LeaderElection.observe(name))))
        assert.deepStrictEqual(Option.map(Option.flatten(late), ({ term }) => term), Option.some(mine.term))
        yield* Deferred.succeed(reads, undefined)
        assert.strictEqual(yield* inTime("the observer is told the last", Deferred.await(last)), mine.term)
        const terms = told.flatMap(Option.toArray)
        assert.deepStrictEqual(terms, [...terms].sort((a, b) => Number(a - b)))
        yield* mine.resign
      })
  )

  if (watchers === undefined) return

  law(
    "AC-07.5 as many watch on the server after 1,000 changes as before them",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        const { until } = yield* there(observing(name))
        yield* until("nobody")
        const mine = yield* here(LeaderElection.campaign(name, { owner: "one", value: "first" }))
        yield* until("one:first")
        const before = yield* watchers
        assert.isAbove(before, 0)
        for (let change = 1; change <= 1000; change++) yield* mine.proclaim(`${change}`)
        yield* until("one:1000")
        assert.strictEqual(yield* watchers, before)
        yield* mine.resign
      })
  )
}
