/** What a contender brings: a way to do so many pieces of one work. */
import * as Schema from "effect/Schema"

export interface Load {
  /** Does `count` pieces, and resolves when the last is done. */
  readonly run: (count: number) => Promise<unknown>
}

/**
 * A contender is one file that exports `open`. It runs in a process of its own, which ends when the work does. It is told the address of
 * the server, if there is one.
 */
export type Open = (url: string) => Promise<Load>

export const Weight = Schema.Struct({
  count: Schema.Int,
  seconds: Schema.Number,
  cpuMicros: Schema.Number
})
export type Weight = typeof Weight.Type

/** The most that the heap held beyond what it held before, in MB, with what was not yet collected. */
export const Heap = Schema.Struct({ heap: Schema.Number })
export type Heap = typeof Heap.Type
