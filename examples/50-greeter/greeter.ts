import { GrpcError, GrpcService } from "@heddle/grpc"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Greeter } from "./greeter_pb.ts"

const hello = (name: string) => ({ message: `Hello, ${name}` })

/** Greets whoever has a name, in the four ways in which gRPC calls. */
export const greeter = GrpcService.make(Greeter, {
  sayHello: ({ name }) =>
    name === ""
      ? Effect.fail(new GrpcError.GrpcError({ code: "INVALID_ARGUMENT", message: "a guest without a name" }))
      : Effect.succeed(hello(name)),
  keepGreeting: ({ name }) =>
    Stream.range(1, 5).pipe(
      Stream.mapEffect((n) => Effect.delay(Effect.succeed(hello(`${name}, for the ${n}. time`)), "100 millis")),
      Stream.onStart(Console.log(`greets ${name}`)),
      Stream.ensuring(Console.log(`greeted ${name}`))
    ),
  greetAll: (guests) =>
    Effect.map(Stream.runCollect(guests), (all) => hello(all.map(({ name }) => name).join(" and "))),
  greetEach: (guests) => Stream.map(guests, ({ name }) => hello(name))
})
