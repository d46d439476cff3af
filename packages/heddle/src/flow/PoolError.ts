/**
 * Why a pool did not bring a task to its end.
 *
 * A pool makes each of them once and fails with it as often as it must: a refusal costs no stack trace.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * There was no room for the task, and it was not run. Try later, with fewer at a time.
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolFull extends Schema.TaggedError<PoolFull>()("PoolFull", {
  pool: Schema.String,
  /** `full`: there was no room. `waited`: nor was there in time. `dropped`: there was, and it was given to a newer task. */
  reason: Schema.Literals(["full", "waited", "dropped"])
}) {
  override get message(): string {
    return `${this.pool} ${why[this.reason]}; try later, or let fewer come at a time`
  }
}

const why = {
  full: "had no room for this task",
  waited: "had no room for this task in time",
  dropped: "dropped this task for a newer one"
}

/**
 * The pool is shut down. Bring the task elsewhere; if it had started it may have had effects.
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolClosed extends Schema.TaggedError<PoolClosed>()("PoolClosed", {
  pool: Schema.String,
  /** Whether the task had started. */
  started: Schema.Boolean
}) {
  override get message(): string {
    return this.started
      ? `${this.pool} was shut down while this task ran: see what it did before you bring it elsewhere`
      : `${this.pool} was shut down before this task started: bring it elsewhere`
  }
}

/**
 * The task's deadline passed. Stop, or ask again with more time; if it had started it may have had effects.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskTimeout extends Schema.TaggedError<TaskTimeout>()("TaskTimeout", {
  pool: Schema.String,
  /** Whether the task had started. */
  started: Schema.Boolean
}) {
  override get message(): string {
    return this.started
      ? `a task of ${this.pool} was interrupted at its deadline; see what it did before you ask again`
      : `the deadline of a task passed while it waited in ${this.pool}; give it more time, or the pool less to do`
  }
}
