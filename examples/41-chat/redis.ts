import { RedisBroker } from "@heddle/redis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Three servers, each with connections of its own. */
export const servers = (url = process.env["HEDDLE_REDIS_URL"]) => {
  const server = Layer.build(Layer.fresh(RedisBroker.layer({ url })))
  return Effect.all([server, server, server])
}
