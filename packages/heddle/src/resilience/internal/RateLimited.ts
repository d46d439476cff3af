import * as Schema from "effect/Schema"

/**
 * No turn is near enough. Try again after `retryAfter` milliseconds, or do without.
 *
 * @category errors
 * @since 0.1.0
 */
export class RateLimited extends Schema.TaggedError<RateLimited>()("RateLimited", {
  limiter: Schema.String,
  key: Schema.String,
  retryAfter: Schema.Number
}) {
  override get message(): string {
    return `the rate limit ${JSON.stringify(this.limiter)} has no turn yet; try again in ${
      Math.ceil(this.retryAfter)
    } ms`
  }
}
