import * as Schema from "effect/Schema"

/**
 * The store that keeps the circuit cannot be asked, so the call did not run: see what is wrong with it, and try again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitStoreDown extends Schema.TaggedError<CircuitStoreDown>()("CircuitStoreDown", {
  name: Schema.String,
  message: Schema.String
}) {}
