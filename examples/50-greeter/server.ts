import { GrpcDrain, GrpcHealth, GrpcServer } from "@heddle/grpc"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Health } from "heddle/lifecycle"
import { greeter } from "./greeter.ts"
import { Greeter } from "./greeter_pb.ts"

/** One line a call. A real one would look at a token here, and fail with UNAUTHENTICATED. */
const log: GrpcServer.Middleware = (call) =>
  Effect.onExit(call, (exit) => Effect.logDebug(`a call ended: ${exit._tag}`))

const listening = Layer.effectDiscard(
  Effect.flatMap(GrpcServer.GrpcServer, ({ host, port }) => Console.log(`listens http://${host}:${port}`))
)

/** Listens, drains when the process is shut down, and answers for its health. */
export const server = (port: number) =>
  Layer.mergeAll(listening, GrpcDrain.layer()).pipe(
    Layer.provideMerge(
      GrpcServer.layer([greeter, GrpcHealth.make([Greeter.typeName])], { host: "127.0.0.1", port, middleware: log })
    ),
    Layer.provide(Health.layer)
  )
