/**
 * What `LeaderElection` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LeaderElection, LeaseStore } from "heddle/coordination"
import { patternLawOf } from "./laws/patternStage.ts"
import { inTime, seen } from "./laws/Stage.ts"

const waits = (name: string, count: number) =>
  Effect.flatMap(
    LeaseStore.LeaseStore,
    (store) => seen(store, `election/${name}`, `${count} campaign`, ({ waiters }) => waiters.length === count)
  )

const free = (name: string) =>
  Effect.flatMap(
    LeaseStore.LeaseStore,
    (store) =>
      seen(store, `election/${name}`, "nobody leads", ({ holders, waiters }) => holders.length + waiters.length === 0)
  )

/**
 * Registers the laws of `LeaderElection` as one suite. The layer, built twice, stands for two processes on one backend.
 *
 * @category laws
 * @since 0.1.0
 */
export const leaderElectionLaws = <E>(name: string, layer: Layer.Layer<LeaderElection.Needs, E>): void => {
  describe(`${name} keeps the laws of LeaderElection`, () => {
    const law = patternLawOf(layer)

    law(
      "one process leads, and all see who, with its value and term",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          assert.isTrue(Option.isNone(yield* there(LeaderElection.leader(name))))
          const mine = yield* here(LeaderElection.campaign(name, { owner: "one", value: "1" }))
          const waiting = yield* Effect.forkScoped(there(LeaderElection.campaign(name, { owner: "two" })))
          yield* here(waits(name, 1))
          const leader = yield* Effect.flatMap(there(LeaderElection.leader(name)), Effect.fromOption)
          assert.deepStrictEqual(leader, { id: mine.id, owner: "one", value: "1", term: mine.term })
          assert.isTrue(mine.isLeader())
          yield* Fiber.interrupt(waiting)
          yield* mine.resign
          yield* here(free(name))
        })
    )

    law(
      "who resigns makes way for the next at once, whose term is higher",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const first = yield* here(LeaderElection.campaign(name))
          const next = yield* Effect.forkScoped(there(LeaderElection.campaign(name)))
          yield* here(waits(name, 1))
          yield* first.resign
          assert.isFalse(first.isLeader())
          const second = yield* inTime("the next leads", Fiber.join(next))
          assert.isTrue(second.term > first.term)
          yield* second.resign
        })
    )

    law("a term ends with the scope of its campaign", ({ here, name, there }) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const first = yield* Scope.provide(here(LeaderElection.campaign(name)), scope)
        const next = yield* Effect.forkScoped(there(LeaderElection.campaign(name)))
        yield* here(waits(name, 1))
        yield* Scope.close(scope, Exit.void)
        const second = yield* inTime("the next leads", Fiber.join(next))
        assert.isTrue(second.term > first.term)
      }))

    law("an interrupted campaign leaves nothing behind", ({ here, name, there }) =>
      Effect.gen(function*() {
        for (let round = 0; round < 20; round++) {
          const campaign = yield* Effect.forkScoped(Effect.scoped(there(LeaderElection.campaign(name))))
          for (let step = 0; step < round % 7; step++) yield* Effect.yieldNow
          yield* Fiber.interrupt(campaign)
        }
        yield* here(free(name))
      }))

    law(
      "who observes sees the present first, then each change, and no older term after a newer",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const heard: Array<string> = []
          const show = (now: Option.Option<LeaderElection.Leader>) =>
            Option.match(now, { onNone: () => "nobody", onSome: ({ owner, value }) => `${owner}:${value}` })
          const until = (what: string) =>
            inTime(
              `${what} is seen`,
              Effect.gen(function*() {
                while (heard.at(-1) !== what) yield* Effect.sleep(1)
              })
            )
          const terms: Array<bigint> = []
          const watching = there(Stream.runForEach(LeaderElection.observe(name), (now) =>
            Effect.sync(() => {
              heard.push(show(now))
              if (Option.isSome(now)) terms.push(now.value.term)
            })))
          yield* Effect.forkScoped(watching)
          yield* until("nobody")
          const first = yield* here(LeaderElection.campaign(name, { owner: "one", value: "a" }))
          yield* until("one:a")
          yield* first.proclaim("b")
          yield* until("one:b")
          yield* first.resign
          yield* until("nobody")
          yield* here(LeaderElection.campaign(name, { owner: "two" }))
          yield* until("two:")
          assert.deepStrictEqual(heard, ["nobody", "one:a", "one:b", "nobody", "two:"])
          assert.deepStrictEqual(terms, [...terms].sort((a, b) => Number(a - b)))
        })
    )

    law(
      "what runs as leader has ended before anybody else leads, by resignation too",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const log: Array<string> = []
          const leads = yield* Deferred.make<void>()
          const work = (leadership: LeaderElection.Leadership) =>
            Effect.gen(function*() {
              log.push("one leads")
              yield* Deferred.succeed(leads, undefined)
              yield* Effect.flatMap(Deferred.await(go), () => leadership.resign)
            }).pipe(
              Effect.onInterrupt(() =>
                Effect.sleep("30 millis").pipe(Effect.andThen(Effect.sync(() => log.push("one has cleaned up"))))
              )
            )
          const go = yield* Deferred.make<void>()
          const one = yield* Effect.forkScoped(here(LeaderElection.runAsLeader(name)(work)))
          yield* inTime("one leads", Deferred.await(leads))
          const two = yield* Effect.forkScoped(
            there(
              LeaderElection.runAsLeader(name)(Effect.sync(() => log.push("two leads")))
            )
          )
          yield* here(waits(name, 1))
          yield* Deferred.succeed(go, undefined)
          yield* inTime("two has led", Fiber.join(two))
          assert.deepStrictEqual(log.slice(0, 3), ["one leads", "one has cleaned up", "two leads"])
          yield* Fiber.interrupt(one)
          yield* here(free(name))
        })
    )

    law(
      "who lost its term is interrupted, and campaigns again for a higher one",
      ({ here, name }) =>
        Effect.gen(function*() {
          const terms: Array<bigint> = []
          const work = (leadership: LeaderElection.Leadership) =>
            Effect.gen(function*() {
              terms.push(leadership.term)
              if (terms.length === 3) return "done"
              return yield* Effect.andThen(leadership.resign, Effect.never)
            })
          const done = yield* inTime("the third term", here(LeaderElection.runAsLeader(name)(work)))
          assert.strictEqual(done, "done")
          assert.deepStrictEqual(terms, [...terms].sort((a, b) => Number(a - b)))
          assert.strictEqual(new Set(terms).size, 3)
          yield* here(free(name))
        })
    )

    law(
      "an effect that fails as leader fails the caller, and gives the term up",
      ({ here, name }) =>
        Effect.gen(function*() {
          const failed = yield* Effect.flip(here(LeaderElection.runAsLeader(name)(Effect.fail("broken"))))
          assert.strictEqual(failed, "broken")
          yield* here(free(name))
        })
    )

    law(
      "a name that means nothing is refused, and a campaign with a bound ends",
      ({ here, name }) =>
        Effect.gen(function*() {
          for (const wrong of ["", "x".repeat(1001)]) {
            const refused = yield* Effect.flip(here(LeaderElection.campaign(wrong)))
            assert.deepInclude(refused, { _tag: "InvalidClaim", field: "election" })
          }
          yield* here(LeaderElection.campaign(name))
          const late = yield* Effect.flip(here(LeaderElection.campaign(name, { waitFor: 20 })))
          assert.deepInclude(late, { _tag: "LeaseTimeout" })
        })
    )
  })
}
