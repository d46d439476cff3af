/** Three sources, and a consumer that adds up what comes and dies where it is not all. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Load } from "../../harness/Load.ts"

const sources = 3

const third = (count: number): number => Math.ceil(count / sources)

/** A source that gives the numbers below a third of the count. */
export const source = (count: number): Stream.Stream<number> =>
  Stream.fromIterable(Array.from({ length: third(count) }, (_, at) => at))

export const check = (sum: number, count: number): void => {
  const each = third(count)
  if (sum !== sources * each * (each - 1) / 2) throw new Error("lost or doubled")
}

export const streams = <E>(merged: (count: number) => Stream.Stream<number, E>): Load => ({
  run: (count) => {
    const sum = Stream.runFold(merged(count), () => 0, (all, n) => all + n)
    return Effect.runPromise(Effect.map(sum, (all) => check(all, count)))
  }
})
