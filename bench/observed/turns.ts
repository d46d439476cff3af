/**
 * One scene on one copy of the sources: tells the nanoseconds that an operation took in the shortest of many short turns. What else the
 * machine does only ever adds to a turn, and leaves some of a millisecond alone.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import "./bare.ts"
import type * as Scenes from "./scenes.ts"

/** Milliseconds. */
const least = 1
const turns = 400

const [, , , wish = ""] = process.argv
const [index = "", way = ""] = wish.split(" ")

const program = Effect.gen(function*() {
  const { layers, scenes }: typeof Scenes = yield* Effect.promise(() => import(`./scenes.ts?${way}`))
  const { each, make } = yield* Effect.fromNullishOr(scenes[Number(index)])
  const context = yield* Layer.build(way === "contention" ? layers.contention : layers.stores)
  const call = yield* Effect.provideContext(make(way === "named" ? "bench" : undefined), context)
  let count = 1
  const took = Effect.suspend(() => {
    let left = count
    const before = performance.now()
    const calls = Effect.whileLoop({ while: () => left-- > 0, body: () => call, step: () => {} })
    return Effect.map(Effect.provideContext(calls, context), () => performance.now() - before)
  })
  const shortest = (times: number) => Effect.map(Effect.replicateEffect(took, times), (all) => Math.min(...all))
  // Code that is cold takes its time: how many calls are a turn is asked again when it is warm.
  for (let warm = 0; warm < 4; warm++) {
    while ((yield* shortest(5)) < least) count *= 2
    yield* shortest(80)
  }
  return (yield* shortest(turns)) * 1e6 / (count * each)
})

process.send?.("ready")
void Effect.runPromise(Effect.scoped(program)).then((nanos) => process.send?.(nanos))
