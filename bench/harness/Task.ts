/** What a worker process is told to do, and what it reports. */
import * as Schema from "effect/Schema"

/** Runs lanes until the time is over. Instants are nanoseconds of CLOCK_MONOTONIC, which all processes share. */
export const Task = Schema.Struct({
  key: Schema.String,
  /** Whether each lane has a key of its own, or all lanes of all processes have the same. */
  keys: Schema.Literals(["own", "same"]),
  lanes: Schema.Int,
  hold: Schema.Literals(["none", "microtask", "millisecond"]),
  /** Milliseconds. */
  pause: Schema.Number,
  startAt: Schema.Number,
  millis: Schema.Number,
  /** Whether to report each turn. */
  turns: Schema.Boolean
})
export type Task = typeof Task.Type

/** One stay inside: the lane's number, the section's first and its last instant. */
export const Turn = Schema.Tuple([Schema.Int, Schema.Number, Schema.Number])
export type Turn = typeof Turn.Type

export const Report = Schema.Struct({
  /** How often a lock was taken and given back. */
  count: Schema.Int,
  /** From the start until the last lane was out. */
  seconds: Schema.Number,
  /** What the process spent on it, in all of its threads. */
  cpuMicros: Schema.Number,
  turns: Schema.Array(Turn)
})
export type Report = typeof Report.Type

export const now = (): number => Number(process.hrtime.bigint())
