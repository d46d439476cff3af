import * as Schema from "effect/Schema"

const base = { process: Schema.String, at: Schema.BigIntFromString }

/**
 * What an actor did about a key.
 *
 * **Details**
 *
 * `ask`: before it asks. `queued`: once its place in the line is certain. `enter`: after the grant, as the first thing
 * inside. `leave`: as the last thing inside, before it gives back. `lost`: once it knows that it is no longer inside and has
 * stopped. `timeout`: once it has given up waiting. `permits` (default 1) and `token` are read from `enter`.
 *
 * @since 0.1.0
 * @category models
 */
export const Step = Schema.Struct({
  ...base,
  actor: Schema.String,
  key: Schema.String,
  kind: Schema.Literals(["ask", "queued", "enter", "leave", "lost", "timeout"]),
  permits: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))),
  token: Schema.optionalKey(Schema.BigIntFromString)
})

/**
 * What a test did to a process, recorded before it does it: killed it (`died`), or stopped it for a while (`paused`).
 *
 * @since 0.1.0
 * @category models
 */
export const Fate = Schema.Struct({ ...base, kind: Schema.Literals(["died", "paused"]) })

/**
 * A line of a history. `at` is in nanoseconds of `CLOCK_MONOTONIC`.
 *
 * @since 0.1.0
 * @category models
 */
export const Event = Schema.Union([Step, Fate])

/** @since 0.1.0 */
export type Step = typeof Step.Type

/** @since 0.1.0 */
export type Fate = typeof Fate.Type

/** @since 0.1.0 */
export type Event = typeof Event.Type
