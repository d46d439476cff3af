import * as Schema from "effect/Schema"

/**
 * The circuit is open, so the call did not run: fall back, or ask again after `retryAfter` (milliseconds; infinite while it
 * is isolated).
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  name: Schema.String,
  state: Schema.Literals(["open", "half-open", "isolated"]),
  retryAfter: Schema.Number
}) {
  override get message(): string {
    const again = this.state === "isolated" ? "somebody isolated it" : `ask again in ${this.retryAfter} ms`
    return `the circuit of ${this.name} is ${this.state}: the call did not run, ${again}`
  }
}
