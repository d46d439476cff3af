import * as Schema from "effect/Schema"
import { WorkQueue } from "heddle/messaging"

/** Two numbers to add. Its own number tells it from the others, and its sum from another's. */
export const Pair = Schema.Struct({ number: Schema.Int, a: Schema.Finite, b: Schema.Finite })
export type Pair = typeof Pair.Type

/** What came of a pair. */
export const Sum = Schema.Struct({ number: Schema.Int, sum: Schema.Finite })

/** The pair of a number. The first is 4 and 6. */
export const pairOf = (number: number): Pair => ({ number, a: number + 3, b: number * 6 })

/** What somebody else put among the pairs. */
export const garbage = "4 and 6, please"

/** The two queues of one run: pairs go to whoever adds, and sums come back. */
export const queuesOf = (run: string) => ({
  pairs: WorkQueue.make({ name: `sums/${run}/pairs`, payload: Pair }),
  sums: WorkQueue.make({ name: `sums/${run}/sums`, payload: Sum })
})

/** How long a dead process holds what it had claimed. */
export const ttl = "2 seconds"
