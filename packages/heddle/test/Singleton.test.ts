import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { LeaderElection, LeaseAbility, LeaseStore, Singleton } from "heddle/coordination"
import * as SharedMemory from "./SharedMemory.ts"

describe("Singleton", () => {
  it.effect("runs on one, and moves when that one goes", () =>
    Effect.gen(function*() {
      const services = yield* Layer.build(LeaseStore.layerMemory)
      const first = yield* Deferred.make<void>()
      const second = yield* Deferred.make<void>()
      const log: Array<string> = []
      const job = (name: string, started: Deferred.Deferred<void>) =>
        Singleton.layer("job", { owner: name })(
          Effect.sync(() => log.push(`${name} runs`)).pipe(
            Effect.andThen(Deferred.succeed(started, undefined)),
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => log.push(`${name} has ended`)))
          )
        ).pipe(Layer.provide(Layer.succeedContext(services)))
      const one = yield* Scope.make()
      yield* Scope.provide(Layer.build(job("one", first)), one)
      yield* Deferred.await(first)
      yield* Layer.build(job("two", second))
      yield* Scope.close(one, Exit.void)
      yield* Deferred.await(second)
      assert.deepStrictEqual(log, ["one runs", "one has ended", "two runs"])
      const leader = yield* Effect.flatMap(LeaderElection.leader("singleton/job"), Effect.fromOption).pipe(
        Effect.provideContext(services)
      )
      assert.strictEqual(leader.owner, "two")
      assert.isDefined(Context.get(services, LeaseStore.LeaseStore))
    }))

  it.effect("whose effect fails lets another process take over", () =>
    Effect.gen(function*() {
      const services = yield* Layer.build(LeaseStore.layerMemory)
      const run = <A, E>(effect: Effect.Effect<A, E>) =>
        Singleton.run("job")(effect).pipe(Effect.provideContext(services))
      assert.strictEqual(yield* Effect.flip(run(Effect.fail("broken"))), "broken")
      assert.strictEqual(yield* run(Effect.succeed("taken over")), "taken over")
    }))

  it.effect("with a name or an option that means nothing is refused when its layer is built", () =>
    Effect.gen(function*() {
      const build = (name: string, ttl: number) =>
        Effect.flip(Layer.build(Layer.provide(Singleton.layer(name, { ttl })(Effect.never), LeaseStore.layerMemory)))
      assert.deepInclude(yield* build("", 1000), { _tag: "InvalidClaim", field: "name" })
      assert.deepInclude(yield* build("x".repeat(1001), 1000), { _tag: "InvalidClaim", field: "name" })
      assert.deepInclude(yield* build("job", NaN), { _tag: "InvalidClaim", field: "ttl" })
      const refused = yield* Effect.flip(Effect.provide(Singleton.run("")(Effect.never), LeaseStore.layerMemory))
      assert.deepInclude(refused, { _tag: "InvalidClaim", field: "name" })
    }))

  it.effect("whose store is away when its layer is built runs once it is back", () =>
    Effect.gen(function*() {
      const memory = yield* SharedMemory.make
      const leases = Layer.merge(memory.layer, LeaseAbility.layerAll)
      const runs = yield* Deferred.make<void>()
      const job = Singleton.layer("job")(Effect.andThen(Deferred.succeed(runs, undefined), Effect.never))
      const away = yield* Scope.make()
      yield* Scope.provide(memory.cut, away)
      yield* Layer.build(Layer.provide(job, leases))
      yield* TestClock.adjust("1 minute")
      assert.isFalse(yield* Deferred.isDone(runs))
      yield* Scope.close(away, Exit.void)
      yield* TestClock.adjust("6 seconds")
      yield* Deferred.await(runs)
    }).pipe(Effect.provide(Logger.layer([]))))
})
