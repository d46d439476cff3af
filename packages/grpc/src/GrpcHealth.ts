/**
 * Answers `grpc.health.v1.Health` from the health of the process, for load balancers and orchestrators that speak gRPC.
 *
 * **Details**
 *
 * A service serves while the process is ready: every part is well and no shutdown has begun. `Watch` tells each change, and ends when a
 * shutdown begins, as nothing comes after it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Health, Shutdown } from "heddle/lifecycle"
import { GrpcError } from "./GrpcError.ts"
import { type GrpcService, make as makeService } from "./GrpcService.ts"
import * as Proto from "./internal/proto/health_pb.ts"

/**
 * The service `grpc.health.v1.Health`, for a client that asks for health.
 *
 * @category descriptors
 * @since 0.1.0
 */
export const descriptor: typeof Proto.Health = Proto.Health

/**
 * What the service answers: `UNKNOWN`, `SERVING`, `NOT_SERVING`, `SERVICE_UNKNOWN`.
 *
 * @category descriptors
 * @since 0.1.0
 */
export const Status: typeof Proto.HealthCheckResponse_ServingStatus = Proto.HealthCheckResponse_ServingStatus

/**
 * Answers for the whole server, which has no name, and for the services that are named, as `package.Service`. Of others `Check` says
 * `NOT_FOUND`, and `Watch` `SERVICE_UNKNOWN`.
 *
 * `Watch` looks every second.
 *
 * **Example** (Ready, and asked)
 *
 * ```ts
 * import { GrpcChannel, GrpcClient, GrpcHealth, GrpcServer } from "@heddle/grpc"
 * import { Effect, Layer } from "effect"
 * import { Health, Shutdown } from "heddle/lifecycle"
 *
 * const server = GrpcServer.layer([GrpcHealth.make(["greeter.Greeter"])], { host: "127.0.0.1", port: 0 })
 * const channel = Layer.unwrap(Effect.map(GrpcServer.GrpcServer, ({ port }) =>
 *   GrpcChannel.layer({ url: `http://127.0.0.1:${port}` })))
 *
 * const program = Effect.gen(function*() {
 *   const health = yield* GrpcClient.make(GrpcHealth.descriptor)
 *   const { status } = yield* health.check({ service: "greeter.Greeter" })
 *   return status === GrpcHealth.Status.SERVING
 * })
 *
 * await program.pipe(
 *   Effect.provide(channel.pipe(Layer.provide(server), Layer.provide(Health.layer), Layer.provide(Shutdown.layer()))),
 *   Effect.runPromise
 * ) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (names: ReadonlyArray<string> = []): GrpcService<Health.Health | Shutdown.Shutdown> => {
  const known = new Set(["", ...names])
  const status = Effect.flatMap(
    Health.Health,
    ({ ready }) => Effect.map(ready, ({ ok }) => ok ? Status.SERVING : Status.NOT_SERVING)
  )
  const untilShutdown = <A, R>(self: Stream.Stream<A, never, R>) =>
    Stream.unwrap(Effect.map(Shutdown.Shutdown, ({ begun }) => Stream.haltWhen(self, begun)))
  const everySecond = Stream.fromEffectSchedule(status, Schedule.spaced("1 second"))
  const watched = Stream.concat(untilShutdown(everySecond), Stream.succeed(Status.NOT_SERVING))
  const unknown = untilShutdown(Stream.concat(Stream.succeed(Status.SERVICE_UNKNOWN), Stream.never))
  return makeService(Proto.Health, {
    check: ({ service }) =>
      known.has(service)
        ? Effect.map(status, (status) => ({ status }))
        : Effect.fail(new GrpcError({ code: "NOT_FOUND", message: `there is no service ${service}` })),
    watch: ({ service }) =>
      (known.has(service) ? watched : unknown).pipe(Stream.changes, Stream.map((status) => ({ status })))
  })
}
