import * as Schema from "effect/Schema"

/**
 * The job ended without a result or an error of its own. `dead`: see `cause`, and the dead letters. `cancelled`: somebody wanted it so.
 * `unknown`: the store does not know it, or no longer: enqueue it again if that is safe, or give it a longer `keep`.
 *
 * @category errors
 * @since 0.1.0
 */
export class JobFailed extends Schema.TaggedError<JobFailed>()("JobFailed", {
  queue: Schema.String,
  id: Schema.String,
  reason: Schema.Literals(["dead", "cancelled", "unknown"]),
  cause: Schema.String
}) {
  override get message(): string {
    return `the job ${this.id} of ${this.queue} is ${this.reason}${this.cause === "" ? "" : `: ${this.cause}`}`
  }
}
