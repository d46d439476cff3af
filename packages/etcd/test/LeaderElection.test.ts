import { assert, describe, it } from "@effect/vitest"
import { EtcdNetwork } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { LeaderElection } from "heddle/coordination"
import { EtcdLeaseStore } from "../src/index.ts"

/** Only a hang reaches the deadline. */
const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(effect, {
    duration: "30 seconds",
    orElse: () => Effect.die(new Error(`this did not happen within 30 seconds: ${what}`))
  })

describe("an election on a cluster of three members, one of them cut off", () => {
  it.live(
    "AC-34.1 the minority elects nobody, its leader has stopped when the majority has the next",
    () =>
      Effect.gen(function*() {
        const { cut, members } = yield* EtcdNetwork.make(3)
        const [lone, ...others] = members
        const process = (urls: ReadonlyArray<string>) =>
          Effect.map(
            Layer.build(Layer.fresh(EtcdLeaseStore.layer({ url: urls, requestTimeout: "1 second" }))),
            (context) => <A, E, N>(effect: Effect.Effect<A, E, N>) => Effect.provideContext(effect, context)
          )
        const minority = yield* process([lone.url])
        const majority = yield* process(others.map(({ url }) => url))

        const leads = yield* Deferred.make<LeaderElection.Leadership>()
        const log: Array<string> = []
        const work = (mine: LeaderElection.Leadership) =>
          Effect.andThen(Deferred.succeed(leads, mine), Effect.never).pipe(
            Effect.ensuring(Effect.sync(() => log.push("the minority's leader has stopped")))
          )
        const first = yield* Effect.forkScoped(
          minority(
            LeaderElection.campaign("e", { ttl: "3 seconds" }).pipe(Effect.flatMap((mine) => mine.run(work(mine))))
          )
        )
        const before = yield* inTime("the first leads", Deferred.await(leads))

        const away = yield* Scope.make()
        yield* Scope.provide(cut(lone, "both"), away)
        const campaign = LeaderElection.campaign("e", { owner: "majority" }).pipe(
          Effect.retry({ schedule: Schedule.spaced("100 millis"), while: ({ _tag }) => _tag === "StoreUnavailable" })
        )
        const next = yield* inTime("the majority elects", majority(campaign))
        log.push("the majority leads")
        assert.deepStrictEqual(log, ["the minority's leader has stopped", "the majority leads"])
        assert.isTrue(next.term > before.term)
        assert.isFalse(before.isLeader())
        assert.deepInclude(yield* Effect.flip(Fiber.join(first)), { _tag: "LeaseLost" })

        const refused = yield* Effect.flip(
          minority(Effect.scoped(LeaderElection.campaign("e", { waitFor: "2 seconds" })))
        )
        assert.include(["StoreUnavailable", "LeaseTimeout"], refused._tag)

        yield* Scope.close(away, Exit.void)
        const agreed = Stream.filter(LeaderElection.observe("e"), Option.exists(({ term }) => term === next.term))
        const seen = Effect.retry(Stream.runHead(agreed), Schedule.spaced("100 millis"))
        const leader = yield* inTime("the minority sees the leader", minority(seen))
        assert.deepStrictEqual(Option.map(Option.flatten(leader), ({ owner }) => owner), Option.some("majority"))
      }),
    120_000
  )
})
