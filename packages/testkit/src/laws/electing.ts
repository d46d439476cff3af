import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LeaderElection } from "heddle/coordination"
import { type ElectionLaw, free, waits } from "./electionStage.ts"
import { inTime } from "./Stage.ts"

export const electingLaws = (law: ElectionLaw): void => {
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
    "AC-07.4 who resigns makes way for the next at once, whose term is higher",
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

  law(
    "AC-07.6 an interrupted campaign leaves nothing behind, whether it stood in line or led",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        for (let round = 0; round < 20; round++) {
          const scope = yield* Scope.make()
          if (round % 2 === 0) yield* Scope.provide(here(LeaderElection.campaign(name)), scope)
          const campaign = yield* Effect.forkScoped(Effect.scoped(there(LeaderElection.campaign(name))))
          for (let step = 0; step < round % 7; step++) yield* Effect.yieldNow
          yield* Fiber.interrupt(campaign)
          yield* Scope.close(scope, Exit.void)
        }
        yield* here(free(name))
      })
  )

  law(
    "AC-07.1 what runs as leader has ended before anybody else leads, by resignation too",
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
    "who resigns from within is interrupted, and campaigns again for a higher one",
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

  law(
    "AC-07.7 to lead, to resign, to follow and to campaign again is a round that repeats",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        const terms: Array<bigint> = []
        const leaders: Array<string> = []
        let mine = yield* here(LeaderElection.campaign(name, { owner: "here" }))
        for (let round = 0; round < 6; round++) {
          const [on, owner] = round % 2 === 0 ? [there, "there"] as const : [here, "here"] as const
          const next = yield* Effect.forkScoped(on(LeaderElection.campaign(name, { owner })))
          yield* here(waits(name, 1))
          yield* mine.resign
          yield* mine.resign
          assert.isFalse(mine.isLeader())
          mine = yield* inTime("the next leads", Fiber.join(next))
          assert.isTrue(mine.isLeader())
          terms.push(mine.term)
          const leader = yield* Effect.flatMap(here(LeaderElection.leader(name)), Effect.fromOption)
          leaders.push(leader.owner)
        }
        assert.deepStrictEqual(leaders, ["there", "here", "there", "here", "there", "here"])
        assert.deepStrictEqual(terms, [...new Set(terms)].sort((a, b) => Number(a - b)))
        yield* mine.resign
        yield* here(free(name))
      })
  )

  law(
    "AC-34.1 of many that campaign, whatever their names, one leads, and all agree on it and on its term; then the next",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        const owners = ["-3", "-1", "", "0", "same", "same", "\u{1F9F5} 7"]
        const elected = yield* Deferred.make<void>()
        const terms: Array<bigint> = []
        let leading = 0
        const node = (owner: string, n: number) =>
          (n % 2 === 0 ? here : there)(
            LeaderElection.runAsLeader(name, { owner })((mine) =>
              Effect.gen(function*() {
                assert.strictEqual(++leading, 1)
                terms.push(mine.term)
                if (terms.length === 1) yield* Deferred.await(elected)
                for (const on of [here, there]) {
                  // What the one before gave up may still be on its way to the server.
                  const agreed = Stream.filter(LeaderElection.observe(name), (now) => Option.exists(now, isSince(mine)))
                  const leader = yield* inTime("all agree on the leader", on(Stream.runHead(agreed)))
                  const expected = { id: mine.id, owner, value: "", term: mine.term }
                  assert.deepStrictEqual(Option.flatten(leader), Option.some(expected))
                }
                leading--
              })
            )
          )
        const all = yield* Effect.forEach(owners, (owner, n) => Effect.forkScoped(node(owner, n)))
        yield* here(waits(name, owners.length - 1))
        yield* Deferred.succeed(elected, undefined)
        yield* inTime("each has led", Fiber.joinAll(all))
        assert.strictEqual(terms.length, owners.length)
        assert.deepStrictEqual(terms, [...new Set(terms)].sort((a, b) => Number(a - b)))
        yield* here(free(name))
      })
  )
}

const isSince = (mine: LeaderElection.Leadership) => ({ term }: LeaderElection.Leader): boolean => term >= mine.term
