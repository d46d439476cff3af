// A Greeter over gRPC: a unary call and the three kinds of streams, with deadlines, typed errors, health and a drain.
//   node --conditions=@heddle/source examples/50-greeter/main.ts                      both sides, and ends
//   node --conditions=@heddle/source examples/50-greeter/main.ts server [port]        until Ctrl-C
//   node --conditions=@heddle/source examples/50-greeter/main.ts client [url]
// With --plain the side that is asked for is grpc-js alone; of both, the client.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { GrpcServer } from "@heddle/grpc"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Shutdown, ShutdownReport } from "heddle/lifecycle"
import { client } from "./client.ts"
import { plainClient, plainServer } from "./plain.ts"
import { server } from "./server.ts"

const words = process.argv.slice(2).filter((word) => word !== "--plain")
const isPlain = process.argv.includes("--plain")
const [side = "both", where] = words

const call = (url: string) => isPlain ? Effect.promise(() => plainClient(url, console.log)) : client(url)

const told = Shutdown.layer({ onReport: (report) => Console.log(ShutdownReport.format(report)) })

const serve = Layer.launch(server(Number(where ?? 8080))).pipe(Shutdown.run, Effect.provide(told))

const both = Effect.gen(function*() {
  const { port } = yield* GrpcServer.GrpcServer
  yield* call(`http://127.0.0.1:${port}`)
}).pipe(Effect.provide(server(0)), Effect.provide(told))

const plain = Effect.gen(function*() {
  const port = yield* Effect.promise(() => plainServer(Number(where ?? 8080)))
  yield* Console.log(`listens http://127.0.0.1:${port}`)
  return yield* Effect.never
})

const program = () => {
  switch (side) {
    case "server":
      return isPlain ? plain : serve
    case "client":
      return call(where ?? "http://127.0.0.1:8080")
    case "both":
      return both
    default:
      return Effect.fail(new Error(`server, client or nothing, not ${side}`))
  }
}

NodeRuntime.runMain(program(), { teardown: Shutdown.teardown })
