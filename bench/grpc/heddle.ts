import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcChannel, GrpcClient, GrpcServer, GrpcService } from "@heddle/grpc"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Open } from "../harness/Load.ts"
import { inLanes } from "../resilience/lanes.ts"
import { repeat } from "../resilience/repeat.ts"

const service = GrpcService.make(Greeter, {
  sayHello: ({ name }) => Effect.succeed({ message: `Hello, ${name}` }),
  keepGreeting: ({ name }) => Stream.map(Stream.range(1, Number(name)), () => ({ message: "Hello" })),
  greetAll: () => Effect.never,
  greetEach: () => Stream.never
})

/** A client of a server in the same process. */
const greeter = Effect.gen(function*() {
  const { port } = yield* GrpcServer.GrpcServer
  const channel = yield* GrpcChannel.make({ url: `http://127.0.0.1:${port}` })
  return yield* Effect.provideService(GrpcClient.make(Greeter), GrpcChannel.GrpcChannel, channel)
})

export const open: Open = async () => {
  const scope = Scope.makeUnsafe()
  const server = Layer.buildWithScope(GrpcServer.layer([service], { host: "127.0.0.1", port: 0 }), scope)
  const client = await Effect.runPromise(
    Effect.flatMap(server, (context) => Effect.provideContext(Scope.provide(greeter, scope), context))
  )
  const hello = Effect.suspend(() => client.sayHello({ name: "Ada" }))
  switch (new URL(import.meta.url).search) {
    case "?single":
      return repeat(hello)
    case "?stream":
      return { run: (count) => Effect.runPromise(Stream.runDrain(client.keepGreeting({ name: `${count}` }))) }
    default:
      return inLanes(hello)
  }
}
