import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { TestClock } from "effect/testing"
import { Lane, metrics } from "../src/flow/internal/multiplexerLane.ts"
import { aging, type Order, strict, weighted } from "../src/flow/internal/multiplexerOrder.ts"
import { Multiplexing } from "../src/flow/internal/multiplexing.ts"

const laneOf = (rank: number) =>
  new Lane<Item>(
    { rank, capacity: Infinity, whenFull: "wait", onEnd: "continue", onError: "stop" },
    metrics.of(Context.empty(), {})
  )

interface Item {
  readonly lane: number
  readonly at: number
  readonly arrived: number
}

/** Steps made by chance: time passes, an element comes, or one is taken; `taken` sees what waited and what was chosen. */
const play = (
  order: Order,
  ranks: ReadonlyArray<number>,
  taken: (waiting: ReadonlyArray<Item>, chosen: Item) => void
) =>
  Effect.gen(function*() {
    const lanes = ranks.map(laneOf)
    const multiplexing = new Multiplexing<Item, never>(order, lanes, () => {})
    const waiting: Array<Item> = []
    for (let at = 0; at < 400; at++) {
      const step = yield* Random.nextIntBetween(0, 10)
      if (step === 0) yield* TestClock.adjust(yield* Random.nextIntBetween(1, 30))
      else if (step < 6 || waiting.length === 0) {
        const which = yield* Random.nextIntBetween(0, lanes.length)
        const lane = lanes[which]
        if (lane === undefined) continue
        const item = { lane: which, at, arrived: yield* Clock.currentTimeMillis }
        yield* multiplexing.pour(lane, [item])
        waiting.push(item)
      } else {
        const [chosen] = yield* multiplexing.pull
        taken(waiting, chosen)
        waiting.splice(waiting.indexOf(chosen), 1)
      }
    }
  })

const ranks = [3, 1, 3, 0, 7]
const rankOf = ({ lane }: Item) => ranks[lane] ?? NaN

/** Under many seeds. */
const often = (program: Effect.Effect<void, unknown>) =>
  Effect.forEach(Array.from({ length: 100 }, (_, seed) => seed), (seed) => Random.withSeed(program, String(seed)), {
    discard: true
  })

describe("the orders of a multiplexer", () => {
  it.effect("strict: the highest priority that waits, and of it what came first", () =>
    often(play(strict, ranks, (waiting, chosen) => {
      const most = Math.max(...waiting.map(rankOf))
      assert.strictEqual(chosen, waiting.find((item) => rankOf(item) === most))
    })))

  it.effect("aging: nothing is overtaken by what comes later than the difference of priorities allows", () =>
    often(play(aging(10), ranks, (waiting, chosen) => {
      for (const item of waiting) {
        assert.isAtMost(chosen.arrived - item.arrived, 10 * (rankOf(chosen) - rankOf(item)))
      }
    })))

  it.effect("aging: what came at one instant goes by priority", () =>
    often(play(aging(10), ranks, (waiting, chosen) => {
      const same = waiting.filter(({ arrived }) => arrived === chosen.arrived)
      assert.strictEqual(rankOf(chosen), Math.max(...same.map(rankOf)))
    })))

  it.effect("weighted: those that always have something get their shares, at any time and not only in the end", () =>
    Effect.gen(function*() {
      const weights = [1, 2, 5, 0.5]
      const lanes = weights.map(laneOf)
      const multiplexing = new Multiplexing<Item, never>(weighted(), lanes, () => {})
      const all = Array.from({ length: 1000 })
      for (const [lane, one] of lanes.entries()) {
        yield* multiplexing.pour(one, all.map((_, at) => ({ lane, at, arrived: 0 })))
      }
      const sum = weights.reduce((a, b) => a + b)
      for (let taken = 1; taken <= 1000; taken++) {
        yield* multiplexing.pull
        for (const [lane, one] of lanes.entries()) {
          const due = taken * (weights[lane] ?? NaN) / sum
          assert.isAtMost(Math.abs(one.delivered - due), 2, `of ${taken}, lane ${lane}`)
        }
      }
    }))

  it.effect("weighted: who had nothing to give for long does not make up for it", () =>
    Effect.gen(function*() {
      const lanes = [1, 1].map(laneOf)
      const multiplexing = new Multiplexing<Item, never>(weighted(), lanes, () => {})
      const [busy, idle] = lanes
      if (busy === undefined || idle === undefined) return assert.fail("two lanes")
      const items = (lane: number) => Array.from({ length: 200 }, (_, at) => ({ lane, at, arrived: 0 }))
      yield* multiplexing.pour(busy, items(0))
      for (let taken = 0; taken < 100; taken++) yield* multiplexing.pull
      yield* multiplexing.pour(idle, items(1))
      for (let taken = 0; taken < 20; taken++) yield* multiplexing.pull
      assert.strictEqual(idle.delivered, 10)
    }))
})
