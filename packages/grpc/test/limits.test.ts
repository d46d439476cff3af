import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcCall, type GrpcChannel, GrpcClient, GrpcError, type GrpcServer, GrpcService } from "@heddle/grpc"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Deadline } from "heddle/resilience"
import { hello, polite, served } from "./fixtures/greeter.ts"

const large = "x".repeat(2_000)

const codeOf = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(call), (error) => error instanceof GrpcError.GrpcError ? error.code : "none")

describe("the largest message", () => {
  const shouting = GrpcService.make(Greeter, {
    sayHello: () => Effect.succeed(hello(large)),
    keepGreeting: ({ name }) => Stream.make(hello(name), hello(large)),
    greetAll: (guests) => Effect.as(Stream.runDrain(guests), hello(large)),
    greetEach: Stream.map(({ name }) => hello(name))
  })
  const both = Stream.make({ name: "Ada" }, { name: large })
  const requests = Effect.map(GrpcClient.make(Greeter), (client) => [
    client.sayHello({ name: large }),
    Stream.runDrain(client.keepGreeting({ name: large })),
    client.greetAll(both),
    Stream.runDrain(client.greetEach(both))
  ])
  const answers = Effect.map(GrpcClient.make(Greeter), (client) => [
    client.sayHello({ name: "Ada" }),
    Stream.runDrain(client.keepGreeting({ name: "Ada" })),
    client.greetAll(Stream.empty)
  ])
  const few = { maxMessageBytes: 1_000 }
  const sides: ReadonlyArray<
    readonly [string, typeof requests, Partial<GrpcServer.Options>, Partial<GrpcChannel.Options>]
  > = [
    ["a request, where the server reads it", requests, few, {}],
    ["a request, where the client sends it", requests, {}, few],
    ["an answer, where the server sends it", answers, few, {}],
    ["an answer, where the client reads it", answers, {}, few]
  ]
  for (const [side, calls, server, channel] of sides) {
    it.live(`holds in every kind of call, and the connection lives on: ${side}`, () =>
      Effect.gen(function*() {
        for (const call of yield* calls) assert.strictEqual(yield* codeOf(call), "RESOURCE_EXHAUSTED")
        const client = yield* GrpcClient.make(Greeter)
        assert.strictEqual(yield* Stream.runCount(client.greetEach(Stream.make({ name: "Ada" }))), 1)
      }).pipe(Effect.provide(served([shouting], server, channel))))
  }
})

describe("metadata", () => {
  it.live("that cannot travel is refused, and its value is told to nobody", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const sent = yield* Effect.flip(client.sayHello({ name: "" }, { metadata: { authorization: "Bearer 12\n34" } }))
      const answered = yield* Effect.flip(client.sayHello({ name: "" }))
      for (const { code, message } of [sent, answered]) {
        assert.strictEqual(code, "INVALID_ARGUMENT")
        assert.include(message, "authorization")
        assert.notInclude(message, "12")
      }
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      sayHello: () =>
        Effect.gen(function*() {
          const { sendMetadata } = yield* GrpcCall.GrpcCall
          yield* sendMetadata({ authorization: "Bearer 12\n34" })
          return hello("")
        }),
      keepGreeting: () => Stream.empty,
      greetAll: () => Effect.never,
      greetEach: () => Stream.empty
    })]))))

  it.live("bytes travel as they are, in both directions, also where a name comes twice", () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, at) => at)).toString("base64")
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const error = yield* Effect.flip(client.sayHello({ name: "Ada" }, { metadata: { "seal-bin": bytes } }))
      assert.deepEqual(error.metadata, { "seal-bin": bytes })
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      sayHello: () =>
        Effect.flatMap(GrpcCall.GrpcCall, ({ metadata }) => {
          const back = { "seal-bin": metadata["seal-bin"] ?? "" }
          return Effect.fail(new GrpcError.GrpcError({ code: "ABORTED", message: "", metadata: back }))
        }),
      keepGreeting: () => Stream.empty,
      greetAll: () => Effect.never,
      greetEach: () => Stream.empty
    })])))
  })

  it.live("of a channel is fetched within the time of the call, and its time is not the handler's", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      assert.strictEqual(yield* codeOf(client.sayHello({ name: "Ada" }, { timeout: "50 millis" })), "DEADLINE_EXCEEDED")
      const budget = Deadline.within("50 millis")(Stream.runDrain(client.keepGreeting({ name: "Ada" })))
      assert.include(["DeadlineExceeded", "GrpcError"], (yield* Effect.flip(budget))._tag)
    }).pipe(Effect.provide(served([polite], {}, { metadata: Effect.never }))))
})

describe("half a stream", () => {
  it.live("that the client has ended: the server goes on with its own", () => {
    const heard = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const answers = yield* Stream.runCollect(client.greetEach(Stream.make({ name: "Ada" })))
      assert.lengthOf(answers, 1_000)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      sayHello: ({ name }) => Effect.succeed(hello(name)),
      keepGreeting: () => Stream.empty,
      greetAll: () => Effect.never,
      greetEach: (guests) =>
        Stream.concat(
          Stream.drain(Stream.ensuring(guests, Deferred.succeed(heard, undefined))),
          Stream.unwrap(Effect.as(
            Deferred.await(heard),
            Stream.map(Stream.range(1, 1_000), (n) => hello(String(n)))
          ))
        )
    })])))
  })

  it.live("that the server has ended: the client has all of it, and its own stream is stopped", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const stopped = yield* Deferred.make<void>()
      const open = yield* Queue.unbounded<{ readonly name: string }, Cause.Done>()
      yield* Queue.offer(open, { name: "Ada" })
      const requests = Stream.fromQueue(open).pipe(Stream.ensuring(Deferred.succeed(stopped, undefined)))
      assert.lengthOf(yield* Stream.runCollect(client.greetEach(requests)), 3)
      yield* Deferred.await(stopped)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      sayHello: ({ name }) => Effect.succeed(hello(name)),
      keepGreeting: () => Stream.empty,
      greetAll: () => Effect.never,
      greetEach: (guests) =>
        Stream.flatMap(Stream.take(guests, 1), ({ name }) => Stream.make(hello(name), hello(name), hello(name)))
    })]))))
})
