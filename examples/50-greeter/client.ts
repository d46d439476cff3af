import { GrpcChannel, GrpcClient } from "@heddle/grpc"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Deadline } from "heddle/resilience"
import { Greeter } from "./greeter_pb.ts"

const guests = Stream.make({ name: "Ada" }, { name: "Alan" })
const say = ({ message }: { readonly message: string }) => Console.log(message)

/** Calls in the four ways, within five seconds in all, and once so that it is refused. */
const calls = Effect.gen(function*() {
  const client = yield* GrpcClient.make(Greeter)
  yield* say(yield* client.sayHello({ name: "seed" }))
  yield* Stream.runForEach(client.keepGreeting({ name: "Grace" }), say)
  yield* say(yield* client.greetAll(guests))
  yield* Stream.runForEach(client.greetEach(guests), say)
  yield* client.sayHello({ name: "" }).pipe(
    Effect.catchTag("GrpcError", ({ code, message }) => Console.log(`${code}: ${message}`))
  )
}).pipe(Deadline.within("5 seconds"))

export const client = (url: string) => Effect.provide(calls, GrpcChannel.layer({ url }))
