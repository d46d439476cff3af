/**
 * What `Cron` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import { Cron, LeaderElection } from "heddle/coordination"
import { patternLawOf } from "./laws/patternStage.ts"
import { eventually, inTime } from "./laws/Stage.ts"

/**
 * Registers the laws of `Cron` as one suite. The layer, built twice, stands for two processes on one backend. The schedules
 * tick each second.
 *
 * @category laws
 * @since 0.1.0
 */
export const cronLaws = <E>(name: string, layer: Layer.Layer<Cron.Needs, E>): void => {
  const law = patternLawOf(layer)
  const everySecond = { schedule: "* * * * * *", ttl: "2 seconds" } as const
  const seconds = ({ at }: Cron.Tick) => DateTime.toEpochMillis(at) / 1000

  describe(`${name} keeps the laws of Cron`, () => {
    law(
      "each tick runs on one process, and the schedule moves when that one is gone",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const seen: Array<number> = []
          const ran = new Set<string>()
          const job = (owner: string) =>
            Cron.run({ ...everySecond, name, owner })((tick) =>
              Effect.sync(() => {
                ran.add(owner)
                seen.push(seconds(tick))
              })
            )
          const fleet = {
            one: yield* Effect.forkScoped(here(job("one"))),
            other: yield* Effect.forkScoped(there(job("other")))
          }
          yield* eventually("a tick is run", Effect.sync(() => seen.length >= 1))
          const [leader] = ran
          yield* Fiber.interrupt(fleet[leader === "one" ? "one" : "other"])
          yield* eventually("the other runs ticks", Effect.sync(() => ran.size === 2 && seen.length >= 3))
          assert.deepStrictEqual(seen, [...new Set(seen)].toSorted((one, other) => one - other))
        })
    )

    law(
      "a run ends with its process, and its tick is not run again",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const begun = yield* Deferred.make<number>()
          const ended = yield* Deferred.make<void>()
          const seen: Array<number> = []
          const stuck = Cron.run({ ...everySecond, name, missed: "once" })((tick) =>
            Effect.andThen(Deferred.succeed(begun, seconds(tick)), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(ended, undefined))
            )
          )
          const first = yield* Effect.forkScoped(here(stuck))
          const tick = yield* inTime("a tick begins", Deferred.await(begun))
          const next = Cron.run({ ...everySecond, name, missed: "once" })((tick) =>
            Effect.sync(() => seen.push(seconds(tick)))
          )
          yield* Effect.forkScoped(there(next))
          yield* Fiber.interrupt(first)
          yield* inTime("the run is interrupted", Deferred.await(ended))
          yield* eventually("the other runs a tick", Effect.sync(() => seen.length >= 1))
          assert.isTrue(seen.every((one) => one > tick))
        })
    )

    law("what was missed while nobody led is made up for once", ({ here, name, there }) =>
      Effect.gen(function*() {
        const seen: Array<readonly [missed: boolean, at: number]> = []
        const job = Cron.run({ ...everySecond, name, missed: "once" })((tick) =>
          Effect.sync(() => seen.push([tick.missed, seconds(tick)]))
        )
        const first = yield* Effect.forkScoped(here(job))
        yield* eventually("a tick is run", Effect.sync(() => seen.length >= 1))
        yield* Fiber.interrupt(first)
        const [, last = 0] = seen.at(-1) ?? []
        seen.length = 0
        yield* eventually("two ticks are missed", Effect.sync(() => Date.now() / 1000 > last + 2.5))
        yield* Effect.forkScoped(there(job))
        yield* eventually("a tick is run", Effect.sync(() => seen.length >= 1))
        const [missed, at] = seen[0] ?? [false, 0]
        assert.isTrue(missed)
        assert.isAtLeast(at, last + 2)
      }))

    law("a fleet can be seen: who leads it is told by its election", ({ here, name, there }) =>
      Effect.gen(function*() {
        yield* Effect.forkScoped(here(Cron.run({ ...everySecond, name, owner: "one" })(Effect.void)))
        const leads = Effect.map(there(LeaderElection.leader(`cron/${name}`)), (leader) =>
          leader._tag === "Some" && leader.value.owner === "one")
        yield* eventually("it is seen", leads)
      }))
  })
}
