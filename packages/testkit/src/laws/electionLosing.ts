import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { LeaderElection } from "heddle/coordination"
import type { ElectionAbilities } from "../LeaderElectionLaws.ts"
import { type ElectionLaw, free, observing, resourceOf } from "./electionStage.ts"
import { inTime } from "./Stage.ts"

/** Leads until it is told to end, and notes how each term went. */
const leading = (name: string, options: LeaderElection.CampaignOptions) =>
  Effect.gen(function*() {
    const first = yield* Deferred.make<LeaderElection.Leadership>()
    const interrupted = yield* Deferred.make<boolean>()
    const second = yield* Deferred.make<LeaderElection.Leadership>()
    const end = yield* Deferred.make<void>()
    const work = (mine: LeaderElection.Leadership) =>
      Effect.gen(function*() {
        if (yield* Deferred.succeed(first, mine)) return yield* Effect.never
        yield* Deferred.succeed(second, mine)
        return yield* Deferred.await(end)
      }).pipe(Effect.onInterrupt(() => Effect.suspend(() => Deferred.succeed(interrupted, mine.isLeader()))))
    const fiber = yield* Effect.forkScoped(LeaderElection.runAsLeader(name, options)(work))
    return {
      first: inTime("it leads", Deferred.await(first)),
      stillLeads: inTime("its work is interrupted", Deferred.await(interrupted)),
      second: inTime("it leads again", Deferred.await(second)),
      end: Effect.andThen(Deferred.succeed(end, undefined), inTime("it ends", Fiber.join(fiber)))
    }
  })

export const electionLosingLaws = (law: ElectionLaw, { cut, forget }: ElectionAbilities): void => {
  if (forget !== undefined) {
    law(
      "AC-07.3 a term that the store does not know any more is lost: its work is interrupted, and it campaigns again",
      ({ here, name }) =>
        Effect.gen(function*() {
          const leader = yield* here(leading(name, { ttl: "1 second" }))
          const first = yield* leader.first
          yield* forget(resourceOf(name))
          assert.isFalse(yield* leader.stillLeads)
          const second = yield* leader.second
          assert.isTrue(second.term > first.term)
          assert.isFalse(first.isLeader())
          yield* leader.end
          yield* here(free(name))
        })
    )
  }

  if (cut !== undefined) {
    law(
      "AC-07.3 who cannot reach the store stops when its ttl ends, and leads again in a higher term when the store is back",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const leader = yield* here(leading(name, { owner: "one", ttl: "1 second" }))
          const first = yield* leader.first
          const { terms, until } = yield* there(observing(name))
          yield* until("one:")
          const away = yield* Scope.make()
          yield* Scope.provide(cut, away)
          assert.isFalse(yield* leader.stillLeads)
          yield* Scope.close(away, Exit.void)
          const second = yield* leader.second
          assert.isTrue(second.term > first.term)
          yield* second.proclaim("again")
          yield* until("one:again")
          assert.deepStrictEqual(terms, [...terms].sort((a, b) => Number(a - b)))
          yield* leader.end
          yield* here(free(name))
        })
    )
  }
}
