/**
 * Lets an HTTP server finish the requests that it has taken, and send its clients elsewhere.
 *
 * **Details**
 *
 * From the beginning of the shutdown each answer says `Connection: close`, so that clients of kept connections come again
 * elsewhere. During the delay for load balancers requests are served as ever. In the phase `stop` new ones are answered with 503
 * and `Retry-After: 1`, and the step has ended when those in flight have, bodies that are streamed included. The probes
 * of `Health` are answered to the last. The server itself stops listening when its layer closes.
 *
 * **Gotchas**
 *
 * What streams for ever does not end by itself: `Stream.haltWhen(shutdown.begun)` ends it.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type { InvalidOption } from "../internal/InvalidOption.ts"
import { tally } from "../internal/Tally.ts"
import { probes } from "./internal/probes.ts"
import { type InvalidStep, Shutdown, type ShuttingDown, step } from "./Shutdown.ts"

/**
 * The step that waits for requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The step's name, and the metric's label. Default `http`. */
  readonly name?: string | undefined
  /** How long requests in flight may take. Default 10 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Drains the server whose router it is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  { name = "http", timeout }: Options = {}
): Layer.Layer<never, InvalidStep | ShuttingDown | InvalidOption, Shutdown | HttpRouter.HttpRouter> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const router = yield* HttpRouter.HttpRouter
    const { isStopping } = yield* Shutdown
    const metric = inFlightOf(yield* Effect.context<never>(), name)
    const inFlight = new Set<HttpServerRequest.HttpServerRequest>()
    const empty = Deferred.makeUnsafe<void>()
    let taking = true
    const settle = () => {
      if (!taking && inFlight.size === 0) Deferred.doneUnsafe(empty, Effect.void)
    }
    // Looks and enters in one step: between two, the last request could end, and with it the step.
    const enters = (request: HttpServerRequest.HttpServerRequest) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          if (!taking) return false
          inFlight.add(request)
          metric.requests++
          return true
        }),
        (entered) =>
          Effect.sync(() => {
            if (!entered) return
            inFlight.delete(request)
            metric.requests--
            settle()
          })
      )
    const leave = HttpEffect.appendPreResponseHandler((_, response) =>
      Effect.map(
        isStopping,
        (stopping) => stopping ? HttpServerResponse.setHeader(response, "connection", "close") : response
      )
    )
    yield* router.addGlobalMiddleware((respond) =>
      Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        if (isProbe(request.url)) return Effect.andThen(leave, respond)
        return Effect.flatMap(enters(request), (entered) => Effect.andThen(leave, entered ? respond : refused))
      })
    )
    const holds = Effect.sync(() => {
      const some = [...inFlight].slice(0, 5).map(({ method, url }) => `${method} ${pathOf(url)}`)
      return `${inFlight.size} in flight: ${some.join(", ")}${inFlight.size > some.length ? ", …" : ""}`
    })
    yield* step({ name, phase: "stop", timeout, holds })(Effect.suspend(() => {
      taking = false
      settle()
      return Deferred.await(empty)
    }))
  }))

const refused = Effect.succeed(
  HttpServerResponse.text("shutting down", { status: 503, headers: { "retry-after": "1" } })
)

const pathOf = (url: string): string => url.split("?")[0] ?? url

const isProbe = (url: string): boolean => Object.values<string>(probes).includes(pathOf(url))

const inFlightOf = tally("heddle_http_requests_in_flight", {
  description: "Requests that were taken and are not answered",
  type: "gauge",
  label: "server",
  zero: { requests: 0 }
})
