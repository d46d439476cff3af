/** What one writes by hand on Effect's `Queue`: workers that take from one and offer to the next. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { Open } from "../../harness/Load.ts"
import { check, items, step, workers } from "./work.ts"

type Line = Queue.Queue<number, Cause.Done>

const worker = (from: Line, into: Line): Effect.Effect<void> =>
  Queue.take(from).pipe(
    Effect.flatMap(step),
    Effect.flatMap((n) => Queue.offer(into, n)),
    Effect.forever({ disableYield: true }),
    Effect.catchTag("Done", () => Effect.void)
  )

const stage = (from: Line, into: Line): Effect.Effect<unknown> =>
  Effect.all(Array.from({ length: workers }, () => worker(from, into)), { concurrency: "unbounded", discard: true })
    .pipe(
      Effect.andThen(Queue.end(into))
    )

const run = Effect.fnUntraced(function*(count: number) {
  const [first, second, last] = yield* Effect.all([line, line, line])
  let sum = 0
  const source = Effect.andThen(
    Effect.forEach(items(count), (n) => Queue.offer(first, n), { discard: true }),
    Queue.end(first)
  )
  const sink = Queue.take(last).pipe(
    Effect.map((n) => sum += n),
    Effect.forever({ disableYield: true }),
    Effect.catchTag("Done", () => Effect.void)
  )
  const all = [source, stage(first, second), stage(second, last), sink]
  yield* Effect.all(all, { concurrency: "unbounded", discard: true })
  check(sum, count, 2)
})

const line = Queue.bounded<number, Cause.Done>(workers)

export const open: Open = () => Promise.resolve({ run: (count) => Effect.runPromise(run(count)) })
