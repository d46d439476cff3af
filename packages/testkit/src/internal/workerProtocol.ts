import * as Schema from "effect/Schema"

/** What a worker process is told, one JSON line each on its stdin. */
export const Command = Schema.fromJsonString(Schema.TaggedUnion({
  /** Takes a lease and stays in its section, for `steps` steps if given, else until told to leave. */
  Hold: {
    name: Schema.String,
    resource: Schema.String,
    ttl: Schema.Number,
    waitFor: Schema.Number,
    steps: Schema.optionalKey(Schema.Number)
  },
  /** Campaigns, and works as leader term after term, until told to leave. Each term tells that it was entered and ended. */
  Lead: { name: Schema.String, election: Schema.String, ttl: Schema.Number },
  /** Joins a group with its name as value, and stays in its section until told to leave. */
  Join: { name: Schema.String, group: Schema.String, ttl: Schema.Number },
  Leave: { name: Schema.String },
  /** Keeps the thread busy within the next step of a section. */
  Block: { name: Schema.String, millis: Schema.Number },
  /** Stops the process (SIGSTOP) between two steps of its sections: a signal from outside may come in the middle of one. */
  Stop: {},
  /** Interrupts all sections, closes the store and lets the process end by itself. */
  Exit: {}
}))
export type Command = typeof Command.Type

const bigint = Schema.BigIntFromString

/** What a worker process tells, one JSON line each on its stdout; instants are CLOCK_MONOTONIC in nanoseconds. */
export const Event = Schema.fromJsonString(Schema.TaggedUnion({
  Ready: {},
  /** It stops now. */
  Stopping: {},
  Entered: { name: Schema.String, token: bigint, at: bigint },
  /** `left` is the instant of the section's last step. `how` is `done`, `interrupted`, or the tag of the error. */
  Ended: { name: Schema.String, how: Schema.String, token: bigint, entered: bigint, left: bigint }
}))
export type Event = typeof Event.Type

/** The machine's monotonic clock, the same for all its processes. */
export const monotonic = (): bigint => process.hrtime.bigint()
