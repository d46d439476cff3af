/**
 * What `DistributedSemaphore` promises on every backend, each promise one test.
 *
 * @since 0.1.0
 */
import { assert, describe } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DistributedSemaphore, LeaseStore } from "heddle/coordination"
import { type On, patternLawOf } from "./laws/patternStage.ts"
import { blockThread, inTime, seen } from "./laws/Stage.ts"

/** In milliseconds: a holder that is blocked for longer has lost its permits. */
const shortTtl = 300

const of = (key: string, permits = 3) => DistributedSemaphore.make({ key, permits })

/** Waits until so many hold and so many wait. */
const shows = (key: string, holders: number, waiters: number) =>
  Effect.flatMap(LeaseStore.LeaseStore, (store) =>
    seen(
      store,
      `semaphore/${key}`,
      `${holders} hold and ${waiters} wait`,
      (now) => now.holders.length === holders && now.waiters.length === waiters
    ))

/** Holds permits until it is told to leave. */
const holding = (on: On<DistributedSemaphore.Needs>, key: string, permits: number) =>
  Effect.gen(function*() {
    const inside = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    const section = Effect.andThen(Deferred.succeed(inside, undefined), Deferred.await(go))
    const fiber = yield* Effect.forkScoped(on(of(key).withPermits(permits)(section)))
    return {
      inside: inTime(`${permits} permits are held`, Deferred.await(inside)),
      leave: Effect.andThen(Deferred.succeed(go, undefined), inTime("the holder ends", Fiber.join(fiber)))
    }
  })

/**
 * Registers the laws of `DistributedSemaphore` as one suite. The layer, built twice, stands for two processes on one backend.
 *
 * @category laws
 * @since 0.1.0
 */
export const distributedSemaphoreLaws = <E>(
  name: string,
  layer: Layer.Layer<DistributedSemaphore.Needs, E>,
  abilities: { readonly resizable?: true } = {}
): void => {
  describe(`${name} keeps the laws of DistributedSemaphore`, () => {
    const law = patternLawOf(layer)

    law(
      "AC-08.1 never more than there are are held, over all processes, and all get through",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          let held = 0
          let done = 0
          const task = (permits: number) =>
            of(name).withPermits(permits)(Effect.gen(function*() {
              held += permits
              assert.isAtMost(held, 3)
              yield* Effect.yieldNow
              held -= permits
              done++
            }))
          const tasks = Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? here : there)(task(1 + n % 3)))
          yield* inTime("all are through", Effect.all(tasks, { concurrency: "unbounded" }))
          assert.strictEqual(done, 30)
          yield* here(shows(name, 0, 0))
          assert.strictEqual(yield* here(of(name).available), 3)
        })
    )

    law(
      "AC-08.2 waiters are served in order of arrival, a large one is not overtaken by small ones",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const holder = yield* holding(here, name, 2)
          yield* holder.inside
          const large = yield* holding(there, name, 3)
          yield* here(shows(name, 1, 1))
          const small = yield* holding(here, name, 1)
          yield* here(shows(name, 1, 2))
          assert.isTrue(Option.isNone(yield* there(of(name).tryWithPermits(1)(Effect.void))))
          yield* holder.leave
          yield* large.inside
          yield* here(shows(name, 1, 1))
          yield* large.leave
          yield* small.inside
          yield* small.leave
        })
    )

    law("AC-08.3 a wait that times out leaves no place in line", ({ here, name, there }) =>
      Effect.gen(function*() {
        const holder = yield* holding(here, name, 3)
        yield* holder.inside
        const short = DistributedSemaphore.make({ key: name, permits: 3, waitFor: 20 })
        const late = yield* Effect.flip(there(short.withPermit(Effect.void)))
        assert.deepInclude(late, { _tag: "LeaseTimeout" })
        yield* here(shows(name, 1, 0))
        yield* holder.leave
      }))

    law(
      "AC-08.4 who loses its permits is interrupted before they are granted, and loses its own and no others",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const log: Array<string> = []
          const other = yield* holding(there, name, 1)
          yield* other.inside
          const inside = yield* Deferred.make<void>()
          const section = Deferred.succeed(inside, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => log.push("lost")))
          )
          const short = DistributedSemaphore.make({ key: name, permits: 3, ttl: shortTtl })
          const loser = yield* Effect.forkScoped(Effect.flip(here(short.withPermits(2)(section))))
          yield* inTime("two permits are held", Deferred.await(inside))
          const take = (permits: number, who: string) =>
            Effect.forkScoped(there(of(name).withPermits(permits)(Effect.sync(() => log.push(who)))))
          const two = yield* take(2, "two")
          yield* here(shows(name, 2, 1))
          const all = yield* take(3, "all")
          yield* here(shows(name, 2, 2))
          yield* Effect.sync(() => blockThread(shortTtl * 1.5))
          assert.deepInclude(yield* inTime("the section ends", Fiber.join(loser)), { _tag: "LeaseLost" })
          yield* inTime("the next has its turn", Fiber.join(two))
          yield* here(shows(name, 1, 1))
          assert.strictEqual(yield* here(of(name).available), 2)
          yield* other.leave
          yield* inTime("the last has its turn", Fiber.join(all))
          assert.deepStrictEqual(log, ["lost", "two", "all"])
        })
    )

    law("AC-08.5 names that begin with each other do not meet", ({ here, name, there }) =>
      Effect.gen(function*() {
        const holder = yield* holding(here, name, 3)
        yield* holder.inside
        for (const other of [`${name}/1`, `${name}1`, name.slice(0, -1)]) {
          assert.strictEqual(yield* there(of(other).available), 3)
          assert.isTrue(Option.isSome(yield* there(of(other).tryWithPermits(3)(Effect.void))))
        }
        yield* holder.leave
      }))

    law(
      "AC-08.6 what is available is what there is less what is held",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* there(of(name).available), 3)
          const one = yield* holding(here, name, 1)
          yield* one.inside
          assert.strictEqual(yield* there(of(name).available), 2)
          const two = yield* holding(there, name, 2)
          yield* two.inside
          assert.strictEqual(yield* here(of(name).available), 0)
          yield* one.leave
          yield* here(shows(name, 1, 0))
          assert.strictEqual(yield* here(of(name).available), 1)
          yield* two.leave
        })
    )

    law(
      "callers that disagree on how many there are, and requests that mean nothing, are told",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const holder = yield* holding(here, name, 1)
          yield* holder.inside
          const other = yield* Effect.flip(there(of(name, 5).withPermit(Effect.void)))
          assert.deepInclude(other, { _tag: "LimitMismatch", limit: 5, actual: 3 })
          for (const permits of [0, -1, 1.5, NaN, 4]) {
            const wrong = yield* Effect.flip(here(of(name).withPermits(permits)(Effect.void)))
            assert.deepInclude(wrong, { _tag: "InvalidClaim", field: "permits" })
          }
          assert.deepInclude(yield* Effect.flip(here(of("").available)), { _tag: "InvalidClaim", field: "key" })
          yield* holder.leave
        })
    )

    if (abilities.resizable === undefined) return

    law(
      "a resize is felt at once by those who wait, and does not take from those who hold",
      ({ here, name, there }) =>
        Effect.gen(function*() {
          const holder = yield* holding(here, name, 3)
          yield* holder.inside
          const waiter = yield* holding(there, name, 2)
          yield* here(shows(name, 1, 1))
          yield* there(of(name).resize(5))
          yield* waiter.inside
          assert.strictEqual(yield* here(of(name).available), 0)
          yield* here(of(name).resize(1))
          assert.strictEqual(yield* there(of(name).available), 0)
          yield* Effect.andThen(holder.leave, waiter.leave)
          yield* here(shows(name, 0, 0))
          assert.strictEqual(yield* there(of(name).available), 1)
          yield* here(of(name).resize(3))
          assert.strictEqual(yield* there(of(name).available), 3)
        })
    )
  })
}
