/**
 * One scene on several copies of the sources, in turns of a millisecond: tells the nanoseconds that an operation took in each turn of each.
 *
 * The copies are compiled in one process and take turns there, so that what the machine does meanwhile hits all alike.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import "./bare.ts"
import type * as Scenes from "./scenes.ts"

/** Milliseconds. */
const least = 1

const [, , , wish = ""] = process.argv
const [index = "", rounds = "", ...ways] = wish.split(" ")

const prepare = (way: string) =>
  Effect.gen(function*() {
    const { layers, scenes }: typeof Scenes = yield* Effect.promise(() => import(`./scenes.ts?${way}`))
    const { each, make } = yield* Effect.fromNullishOr(scenes[Number(index)])
    const context = yield* Layer.build(way === "contention" ? layers.contention : layers.stores)
    const call = yield* Effect.provideContext(make(way === "named" ? "bench" : undefined), context)
    /** Milliseconds that so many calls take. */
    const took = (count: number) =>
      Effect.suspend(() => {
        let left = count
        const before = performance.now()
        const calls = Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
        return Effect.map(Effect.provideContext(calls, context), () => performance.now() - before)
      })
    return { each, took, times: new Array<number>() }
  })

const program = Effect.gen(function*() {
  const copies = yield* Effect.forEach(ways, prepare)
  let count = 1
  const round = (at: number) =>
    Effect.forEach(copies, (_, turn) => {
      const copy = copies[(turn + at) % copies.length]
      return copy === undefined ? Effect.void : Effect.map(copy.took(count), (millis) => {
        copy.times.push(millis * 1e6 / (count * copy.each))
      })
    }, { discard: true })
  const play = (times: number) => {
    for (const { times } of copies) times.length = 0
    return Effect.forEach(Array.from({ length: times }, (_, at) => at), round, { discard: true })
  }
  const fastest = () =>
    Math.min(...copies.flatMap(({ each, times }) => times.map((nanos) => nanos * each * count / 1e6)))
  // Code that is cold takes its time: how many calls are a turn is asked again when it is warm.
  for (let warm = 0; warm < 4; warm++) {
    for (yield* play(5); fastest() < least; yield* play(5)) count *= 2
    yield* play(80)
  }
  yield* play(Number(rounds))
  return copies.map(({ times }) => times)
})

process.send?.("ready")
void Effect.runPromise(Effect.scoped(program)).then((times) => process.send?.(times))
