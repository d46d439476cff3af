/** What metrics of a name, and `Contention`, add to an operation: the same work without and with, in turns, in one process. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LeaseStore } from "heddle/coordination"
import { Contention } from "heddle/observability"
import { median, round, table } from "../harness/stats.ts"
import { type Wish, Work } from "../harness/Work.ts"
import { type Scene, scenes } from "./scenes.ts"

type Run = Effect.Effect<number, unknown, LeaseStore.LeaseStore>

/** Nanoseconds of processor time an operation. */
const timed = (call: Effect.Effect<unknown, unknown, LeaseStore.LeaseStore>, count: number): Run =>
  Effect.suspend(() => {
    let left = count
    const before = process.cpuUsage()
    const loop = Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
    return Effect.map(loop, () => {
      const { system, user } = process.cpuUsage(before)
      return (user + system) * 1000 / count
    })
  })

/** The scene off, off once more, named, and under `Contention`: medians of the differences within a round. */
const pairs = ({ make, named, title, waits }: Scene, rounds: number) =>
  Effect.gen(function*() {
    const observed = Effect.provide(yield* Layer.build(Contention.layer))
    const calls = [
      yield* make(undefined),
      yield* make(undefined),
      yield* make(named ? "bench" : undefined),
      yield* observed(make(undefined))
    ]
    const count = 20_000
    const took: Array<ReadonlyArray<number>> = []
    for (let turn = -3; turn < rounds; turn++) {
      const times = calls.map(() => 0)
      for (let index = 0; index < calls.length; index++) {
        const which = (index + turn + 8) % calls.length
        const run = timed(calls[which] ?? Effect.void, count)
        times[which] = yield* which === 3 ? observed(run) : run
      }
      if (turn >= 0) took.push(times)
    }
    const off = took.map(([time = NaN]) => time)
    const ratio = (which: number) => median(took.map((times) => (times[which] ?? NaN) / (times[0] ?? NaN)))
    const more = (which: number) =>
      `${round(median(took.map((times) => (times[which] ?? NaN) - (times[0] ?? NaN))))} ns`
    return [
      title,
      `${round(median(off))} ns`,
      round(ratio(1)),
      named ? more(2) : "always",
      waits ? more(3) : "no waits"
    ]
  }).pipe(Effect.scoped, Effect.provide(LeaseStore.layerMemory), Effect.orDie)

/** Runs each scene. */
export const observed = (wish: Wish) =>
  Effect.gen(function*() {
    const work = new Work("observed", wish, import.meta.url)
    yield* work.part(
      "What it costs to be observed",
      Effect.map(
        Effect.forEach(scenes, (scene) => pairs(scene, wish.quick ? 5 : 15)),
        (rows) => [table(["", "off", "off again: ratio", "named: more", "Contention: more"], rows), rows] as const
      )
    )
    yield* work.save
  })
