import { PostgresBroker } from "@heddle/postgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Three servers, each with sessions of its own. */
export const servers = (url = process.env["HEDDLE_POSTGRES_URL"] ?? "postgres://localhost/postgres") => {
  const server = Layer.build(Layer.fresh(PostgresBroker.layer({ url })))
  return Effect.all([server, server, server])
}
