import * as Schema from "effect/Schema"

/**
 * All places are taken and the line is full, so the call did not run: do without it, or ask again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class BulkheadFull extends Schema.TaggedError<BulkheadFull>()("BulkheadFull", { name: Schema.String }) {
  override get message(): string {
    return `the bulkhead ${this.name} is full: the call did not run, try again later`
  }
}

/**
 * No place came free while the call waited, in milliseconds, so it did not run: do without it, or ask again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class BulkheadTimeout extends Schema.TaggedError<BulkheadTimeout>()("BulkheadTimeout", {
  name: Schema.String,
  waited: Schema.Number
}) {
  override get message(): string {
    return `no place of the bulkhead ${this.name} came free within ${this.waited} ms: the call did not run, try again later`
  }
}
