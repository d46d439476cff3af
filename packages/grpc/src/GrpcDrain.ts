/**
 * Lets a server of gRPC finish the calls that it has taken, and sends its callers elsewhere, when the process is shut down.
 *
 * **Details**
 *
 * During the delay for load balancers calls are served as ever, while `GrpcHealth` says that it does not serve. In the phase `stop` the
 * server takes no more connections, tells its callers to go elsewhere, and the step has ended when the calls in flight have. What is
 * left when the step's time is over is interrupted as the server's layer closes, and its callers get `UNAVAILABLE`.
 *
 * **Gotchas**
 *
 * What streams for ever does not end by itself: `Stream.haltWhen(shutdown.begun)` ends it.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type InvalidOption, Shutdown } from "heddle/lifecycle"
import { GrpcServer } from "./GrpcServer.ts"

/**
 * The step that waits for calls.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The step's name. Default `grpc`. */
  readonly name?: string | undefined
  /** How long calls in flight may take. Default 10 seconds. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Drains the server that it is given.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  { name = "grpc", timeout }: Options = {}
): Layer.Layer<
  never,
  Shutdown.InvalidStep | Shutdown.ShuttingDown | InvalidOption,
  Shutdown.Shutdown | GrpcServer
> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const { drain, inFlight } = yield* GrpcServer
    const holds = Effect.map(inFlight, (calls) =>
      `${calls.length} in flight: ${calls.slice(0, 5).join(", ")}${calls.length > 5 ? ", …" : ""}`)
    yield* Shutdown.step({ name, phase: "stop", timeout, holds })(drain)
  }))
