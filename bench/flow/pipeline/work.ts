/** What the stages do: add one, after a microtask. Whoever consumes adds up what comes. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Load } from "../../harness/Load.ts"

export const workers = 16

export const addOne = (n: number): Promise<number> => Promise.resolve(n + 1)

export const step = (n: number): Effect.Effect<number> => Effect.promise(() => addOne(n))

export const items = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, at) => at)

/** Dies where the sum of what came out is not that of all elements, each one more a stage. */
export const check = (sum: number, count: number, stages: number): void => {
  if (sum !== count * (count - 1) / 2 + stages * count) throw new Error("lost or doubled")
}

export const streams = <E>(
  stages: number,
  through: (source: Stream.Stream<number>) => Stream.Stream<number, E>
): Load => ({
  run: (count) => {
    const sum = Stream.runFold(through(Stream.fromIterable(items(count))), () => 0, (all, n) => all + n)
    return Effect.runPromise(Effect.map(sum, (all) => check(all, count, stages)))
  }
})
