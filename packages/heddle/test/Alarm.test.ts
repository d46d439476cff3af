import { assert, describe, it } from "@effect/vitest"
import { Explore } from "@heddle/testkit"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { Alarm } from "heddle/coordination"

/** An alarm over deadlines, which writes down when it meets one, and how often it looks. */
const watched = Effect.gen(function*() {
  const met = Array<number>()
  const due = new Set<number>()
  let looks = 0
  const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
    yield* Clock.Clock,
    Effect.sync(() => {
      looks++
      for (const instant of due) {
        if (instant > alarm.now()) continue
        due.delete(instant)
        met.push(alarm.now())
        // A deadline that is met brings another, as a lease that ends brings the next one's.
        if (instant === 300) add(400)
      }
      // As a store does that steps its resources in a look: each of them rings.
      for (const instant of due) alarm.ring(instant)
      return Infinity
    })
  )
  const add = (instant: number) => {
    due.add(instant)
    alarm.ring(instant)
  }
  yield* Effect.forkScoped(alarm.run)
  yield* Effect.yieldNow
  return { add, due, met, looks: () => looks }
})

describe("Alarm", () => {
  it.effect("meets each deadline at its time, also one that comes later and is earlier", () =>
    Effect.gen(function*() {
      const { add, looks, met } = yield* watched
      for (const instant of [1000, 500, 800]) add(instant)
      yield* TestClock.adjust(499)
      assert.deepStrictEqual(met, [])
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(met, [500, 800, 1000])
      assert.isAtMost(looks(), 7)
    }))

  it.effect("a look that asks for another does not keep itself awake", () =>
    Effect.gen(function*() {
      const { add, looks, met } = yield* watched
      add(300)
      yield* TestClock.adjust(10_000)
      assert.deepStrictEqual(met, [300, 400])
      assert.isAtMost(looks(), 5)
    }))

  it.live("a deadline between two nanoseconds is met", () =>
    Explore.run(
      Effect.scoped(Effect.gen(function*() {
        const { add, due, met } = yield* watched
        add(250 / 3)
        yield* Effect.sleep(1000)
        if (due.size > 0 || met.length !== 1) return yield* Effect.die([...met, ...due])
      })),
      { runs: 1 }
    ))

  it.live(
    "no deadline is missed, however it falls between a look and the sleep after it",
    () =>
      Explore.run(Effect.scoped(Effect.gen(function*() {
        const { add, due, met } = yield* watched
        yield* Effect.forEach([10, 5, 20], (instant) => Effect.sync(() => add(instant)), {
          concurrency: "unbounded",
          discard: true
        })
        yield* Effect.sleep(1000)
        if (due.size > 0 || met.join() !== "5,10,20") return yield* Effect.die([...met, ...due])
      })))
  )
})
