/** What it takes to hold many leases in one process for long. */
import * as Schema from "effect/Schema"

/** A contender is one file that exports `hold`, which resolves when so many leases are held, each renewed in time. */
export type Hold = (url: string, count: number) => Promise<unknown>

/** Milliseconds; renewed each third of it. */
export const ttl = 9000

/** What the process tells when it holds them, and once more after a while. */
export const Weighed = Schema.Struct({
  /** Bytes of heap, collected. */
  heap: Schema.Finite,
  cpuMicros: Schema.Finite
})
