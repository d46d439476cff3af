import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcClient, GrpcService } from "@heddle/grpc"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { hello, polite, served } from "./fixtures/greeter.ts"

const large = "x".repeat(1_000)

/** Far more than the two sides and the connection between them hold. */
const plenty = 8_000

/** Waits until a count has not changed while a hundred calls went there and back on the same connection. */
const settled = (count: () => number) =>
  Effect.gen(function*() {
    const client = yield* GrpcClient.make(Greeter)
    const calls = Effect.forEach(Array.from({ length: 100 }), () => client.sayHello({ name: "Ada" }), { discard: true })
    let last = -1
    while (count() !== last) {
      last = count()
      yield* calls
    }
    return last
  })

const others = {
  sayHello: ({ name }: { readonly name: string }) => Effect.succeed(hello(name)),
  keepGreeting: () => Stream.empty,
  greetAll: () => Effect.succeed(hello("")),
  greetEach: () => Stream.empty
}

describe("back pressure", () => {
  it.live("a stream of answers is made no faster than it is read", () => {
    let made = 0
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const first = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      let read = 0
      const reader = yield* client.keepGreeting({ name: "Ada" }).pipe(
        Stream.runForEach(() => {
          read++
          return Effect.andThen(Deferred.succeed(first, undefined), Deferred.await(goOn))
        }),
        Effect.forkChild
      )
      yield* Deferred.await(first)
      const stopped = yield* settled(() => made)
      assert.isBelow(stopped, 1_000)
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(reader)
      assert.strictEqual(read, plenty)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...others,
      keepGreeting: () =>
        Stream.map(Stream.rechunk(Stream.range(1, plenty), 1), (n) => {
          made = n
          return hello(large)
        })
    })])))
  })

  it.live("a stream of requests is sent no faster than the handler reads it", () => {
    let sent = 0
    const first = Deferred.makeUnsafe<void>()
    const goOn = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const requests = Stream.map(Stream.rechunk(Stream.range(1, plenty), 1), (n) => {
        sent = n
        return { name: large }
      })
      const call = yield* Effect.forkChild(client.greetAll(requests))
      yield* Deferred.await(first)
      const stopped = yield* settled(() => sent)
      assert.isBelow(stopped, 3_000)
      yield* Deferred.succeed(goOn, undefined)
      assert.strictEqual((yield* Fiber.join(call)).message, `Hello, ${plenty}`)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...others,
      greetAll: (guests) =>
        guests.pipe(
          Stream.mapEffect(() => Effect.andThen(Deferred.succeed(first, undefined), Deferred.await(goOn))),
          Stream.runCount,
          Effect.map((count) => hello(String(count)))
        )
    })])))
  })

  it.live("a reader that stops early ends the stream on the other side", () => {
    const ended = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      assert.strictEqual(yield* Stream.runCount(Stream.take(client.keepGreeting({ name: "Ada" }), 2)), 2)
      yield* Deferred.await(ended)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...others,
      keepGreeting: () =>
        Stream.forever(Stream.succeed(hello(large))).pipe(Stream.ensuring(Deferred.succeed(ended, undefined)))
    })])))
  })

  it.live("a hundred streams at a time share a connection and do not mix", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const all = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, at) => at),
        (at) =>
          client.greetEach(Stream.map(Stream.range(1, 50), (n) => ({ name: `${at}/${n}` }))).pipe(
            Stream.runCollect,
            Effect.map((answers) => answers.every(({ message }, n) => message === `Hello, ${at}/${n + 1}`))
          ),
        { concurrency: "unbounded" }
      )
      assert.isTrue(all.every(Boolean))
    }).pipe(Effect.provide(served([polite]))))
})
