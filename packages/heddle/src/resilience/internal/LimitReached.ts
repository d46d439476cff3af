import * as Schema from "effect/Schema"

/**
 * As many calls run as the dependency bears at the moment, so this one did not run: do without it, or ask again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitReached extends Schema.TaggedError<LimitReached>()("LimitReached", {
  name: Schema.String,
  limit: Schema.Number
}) {
  override get message(): string {
    return `${this.name} bears ${this.limit} calls at once: this one did not run, try again later`
  }
}
