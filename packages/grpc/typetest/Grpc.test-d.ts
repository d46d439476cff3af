import { Greeter, type HelloResponse } from "@heddle/example-50-greeter/greeter"
import {
  GrpcCall,
  type GrpcChannel,
  GrpcClient,
  type GrpcError,
  GrpcHealth,
  GrpcServer,
  GrpcService,
  type InvalidOption
} from "@heddle/grpc"
import { Context, Effect, type Layer, Stream } from "effect"
import type { Health, Shutdown } from "heddle/lifecycle"
import type { Deadline } from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

class Book extends Context.Service<Book, { readonly name: string }>()("Book") {}
class Clock extends Context.Service<Clock, { readonly now: number }>()("Clock") {}

const hello = { message: "Hello" }

test("a client has a function for each method, as its kind says", () => {
  expectTypeOf(GrpcClient.make(Greeter)).toEqualTypeOf<
    Effect.Effect<GrpcClient.GrpcClient<typeof Greeter>, never, GrpcChannel.GrpcChannel>
  >()
  const use = (
    client: GrpcClient.GrpcClient<typeof Greeter>,
    requests: Stream.Stream<{ name: string }, "mine", Book>
  ) => {
    expectTypeOf(client.sayHello({ name: "Ada" })).toEqualTypeOf<Effect.Effect<HelloResponse, GrpcError.GrpcError>>()
    expectTypeOf(client.keepGreeting({})).toEqualTypeOf<Stream.Stream<HelloResponse, GrpcError.GrpcError>>()
    expectTypeOf(client.greetAll(requests)).toEqualTypeOf<
      Effect.Effect<HelloResponse, GrpcError.GrpcError | "mine", Book>
    >()
    expectTypeOf(client.greetEach(requests)).toEqualTypeOf<
      Stream.Stream<HelloResponse, GrpcError.GrpcError | "mine", Book>
    >()
    // @ts-expect-error: a request has a name, and no number
    void client.sayHello({ number: 1 })
    // @ts-expect-error: there is no such method
    void client.sayGoodbye
  }
  expectTypeOf(use).returns.toBeVoid()
})

const service = GrpcService.make(Greeter, {
  sayHello: ({ name }) => Effect.map(Book, (book) => ({ message: `${name} ${book.name}` })),
  keepGreeting: () => Stream.fromEffect(Effect.as(Clock, hello)),
  greetAll: () => Effect.as(GrpcCall.GrpcCall, hello),
  greetEach: Stream.map(({ name }) => ({ message: name }))
})

test("a service needs what its handlers need, and the call is there", () => {
  expectTypeOf(service).toEqualTypeOf<GrpcService.GrpcService<Book | Clock>>()
})

test("a server needs what its services and its middleware need", () => {
  const middleware: GrpcServer.Middleware<Clock> = (call) => Effect.andThen(Clock, call)
  expectTypeOf(GrpcServer.layer([service], { port: 0 })).toEqualTypeOf<
    Layer.Layer<GrpcServer.GrpcServer, GrpcServer.ListenFailed | InvalidOption, Book | Clock>
  >()
  expectTypeOf(GrpcServer.layer([GrpcHealth.make()], { port: 0, middleware })).toEqualTypeOf<
    Layer.Layer<
      GrpcServer.GrpcServer,
      GrpcServer.ListenFailed | InvalidOption,
      Health.Health | Shutdown.Shutdown | Clock
    >
  >()
})

test("handlers fail as gRPC does, and none is missing", () => {
  const late = (): Effect.Effect<typeof hello, Deadline.DeadlineExceeded> => Effect.succeed(hello)
  const rest = { sayHello: late, keepGreeting: () => Stream.empty, greetEach: () => Stream.empty }
  expectTypeOf(GrpcService.make(Greeter, { ...rest, greetAll: late })).toEqualTypeOf<GrpcService.GrpcService<never>>()
  // @ts-expect-error: who called cannot be told this
  void GrpcService.make(Greeter, { ...rest, greetAll: () => Effect.fail("mine") })
  // @ts-expect-error: a stream of requests has one answer
  void GrpcService.make(Greeter, { ...rest, greetAll: () => Stream.empty })
  // @ts-expect-error: one is missing
  void GrpcService.make(Greeter, rest)
})
