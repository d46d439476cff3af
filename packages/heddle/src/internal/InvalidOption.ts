/**
 * What every pattern of one process answers to options that cannot mean anything.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An option cannot mean anything. Nothing was started. Correct the one that is named.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  option: Schema.String,
  message: Schema.String
}) {}
