import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcChannel, GrpcClient, GrpcError, GrpcServer, GrpcService } from "@heddle/grpc"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { Deadline } from "heddle/resilience"
import { hello, polite, refused, served, Waits } from "./fixtures/greeter.ts"

const guests = (...names: ReadonlyArray<string>) => Stream.fromIterable(names.map((name) => ({ name })))
const texts = <E, R>(answers: Stream.Stream<{ readonly message: string }, E, R>) =>
  Effect.map(Stream.runCollect(answers), (all) => all.map(({ message }) => message))

describe("the four kinds of calls", () => {
  it.live("AC-31.1 a unary call goes there and back, and streams do in both directions", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      assert.strictEqual((yield* client.sayHello({ name: "seed" })).message, "Hello, seed")
      assert.deepEqual(yield* texts(client.keepGreeting({ name: "Ada" })), [
        "Hello, Ada 1",
        "Hello, Ada 2",
        "Hello, Ada 3"
      ])
      assert.strictEqual((yield* client.greetAll(guests("Ada", "Alan"))).message, "Hello, Ada and Alan")
      assert.deepEqual(yield* texts(client.greetEach(guests("Ada", "Alan"))), ["Hello, Ada", "Hello, Alan"])
    }).pipe(Effect.provide(served([polite]))))

  it.live("streams of nothing are empty, and thousands of messages keep their order", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      assert.strictEqual((yield* client.greetAll(Stream.empty)).message, "Hello, ")
      assert.deepEqual(yield* texts(client.greetEach(Stream.empty)), [])
      const names = Array.from({ length: 5_000 }, (_, n) => String(n))
      assert.deepEqual(yield* texts(client.greetEach(guests(...names))), names.map((name) => `Hello, ${name}`))
    }).pipe(Effect.provide(served([polite]))))

  it.live("each answer of a conversation comes before the next question is asked", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const questions = yield* Queue.unbounded<{ readonly name: string }, Cause.Done>()
      yield* Queue.offer(questions, { name: "0" })
      const answered = yield* client.greetEach(Stream.fromQueue(questions)).pipe(
        Stream.mapEffect(({ message }) => {
          const next = Number(message.slice("Hello, ".length)) + 1
          return Effect.as(next < 20 ? Queue.offer(questions, { name: String(next) }) : Queue.end(questions), message)
        }),
        Stream.runCount
      )
      assert.strictEqual(answered, 20)
    }).pipe(Effect.provide(served([polite]))))

  it.live("the server answers before all requests have come, and the requests stop", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const stopped = yield* Deferred.make<void>()
      const endless = Stream.forever(guests("Ada")).pipe(
        Stream.ensuring(Deferred.succeed(stopped, undefined))
      )
      assert.strictEqual((yield* client.greetAll(endless)).message, "Hello, Ada")
      yield* Deferred.await(stopped)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...ways,
      greetAll: (guests) =>
        Stream.runCollect(Stream.take(guests, 1)).pipe(Effect.map(([first]) => hello(first?.name ?? "")))
    })]))))
})

const ways = {
  sayHello: () => Effect.fail(refused),
  keepGreeting: () => Stream.fail(refused),
  greetAll: () => Effect.fail(refused),
  greetEach: () => Stream.fail(refused)
}

/** The four calls of a client, each to its end. */
const everyWay = Effect.map(GrpcClient.make(Greeter), (client) => [
  Effect.asVoid(client.sayHello({ name: "Ada" })),
  Stream.runDrain(client.keepGreeting({ name: "Ada" })),
  Effect.asVoid(client.greetAll(guests("Ada"))),
  Stream.runDrain(client.greetEach(guests("Ada")))
])

describe("errors", () => {
  it.live("AC-31.1 typed error codes: code, message, details and trailers are those that the handler gave, in every kind of call", () =>
    Effect.gen(function*() {
      for (const call of yield* everyWay) {
        const error = yield* Effect.flip(call)
        assert.instanceOf(error, GrpcError.GrpcError)
        assert.strictEqual(error.code, "NOT_FOUND")
        assert.strictEqual(error.message, "no such guest: ☃")
        assert.deepEqual(GrpcError.detailsOf(error, StringValueSchema).map(({ value }) => value), ["guest"])
        assert.deepEqual(error.metadata, { "retry-in": "7" })
      }
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, ways)]))))

  it.live("a defect is INTERNAL and tells nothing", () => {
    const broken = () => {
      throw new Error("the password is 1234")
    }
    return Effect.gen(function*() {
      for (const call of yield* everyWay) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error.code, "INTERNAL")
        assert.notInclude(JSON.stringify(error), "1234")
      }
    }).pipe(
      Effect.provide(served([GrpcService.make(Greeter, {
        sayHello: broken,
        keepGreeting: () => Stream.die("the password is 1234"),
        greetAll: () => Effect.die("the password is 1234"),
        greetEach: broken
      })])),
      Effect.provideService(References.MinimumLogLevel, "None")
    )
  })

  it.live("answers that came before a failure are there where the reader keeps up", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const seen: Array<string> = []
      const error = yield* client.keepGreeting({ name: "Ada" }).pipe(
        Stream.runForEach(({ message }) =>
          Effect.sync(() => seen.push(message)).pipe(Effect.andThen(Queue.offer(taken, message)))
        ),
        Effect.flip
      )
      assert.deepEqual(seen, ["Hello, Ada", "Hello, Ada"])
      assert.strictEqual(error.code, "NOT_FOUND")
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...ways,
      keepGreeting: ({ name }) =>
        Stream.make(1, 2).pipe(
          Stream.map(() => hello(name)),
          Stream.concat(
            Stream.unwrap(Effect.as(Effect.all([Queue.take(taken), Queue.take(taken)]), Stream.fail(refused)))
          )
        )
    })]))))

  it.live("the requests' own failure cancels the call and is the failure of the whole", () => {
    const waits = new Waits()
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const requests = Stream.concat(
        guests("Ada"),
        Stream.unwrap(Effect.as(Deferred.await(waits.begun), Stream.fail("no more" as const)))
      )
      assert.strictEqual(yield* Effect.flip(client.greetAll(requests)), "no more")
      yield* Deferred.await(waits.interrupted)
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(client.greetEach(Stream.fail("none" as const)))), "none")
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, { ...ways, greetAll: () => waits.forever })])))
  })

  it.live("a server that is away is UNAVAILABLE, a channel that is closed FAILED_PRECONDITION, a message too large RESOURCE_EXHAUSTED", () =>
    Effect.gen(function*() {
      const nobody = yield* GrpcChannel.make({ url: "http://127.0.0.1:1" })
      const away = yield* Effect.provideService(GrpcClient.make(Greeter), GrpcChannel.GrpcChannel, nobody)
      assert.strictEqual((yield* Effect.flip(away.sayHello({ name: "Ada" }))).code, "UNAVAILABLE")
      const { port } = yield* GrpcServer.GrpcServer
      const channel = yield* Effect.scoped(GrpcChannel.make({ url: `http://127.0.0.1:${port}` }))
      const closed = yield* Effect.provideService(GrpcClient.make(Greeter), GrpcChannel.GrpcChannel, channel)
      assert.strictEqual((yield* Effect.flip(closed.sayHello({ name: "Ada" }))).code, "FAILED_PRECONDITION")
      assert.strictEqual(
        (yield* Effect.flip(Stream.runDrain(closed.keepGreeting({ name: "Ada" })))).code,
        "FAILED_PRECONDITION"
      )
      const client = yield* GrpcClient.make(Greeter)
      const large = yield* Effect.flip(client.sayHello({ name: "x".repeat(2_000) }))
      assert.strictEqual(large.code, "RESOURCE_EXHAUSTED")
    }).pipe(Effect.scoped, Effect.provide(served([polite], { maxMessageBytes: 1_000 }))))
})

const taken = Effect.runSync(Queue.unbounded<string>())

describe("interruption", () => {
  const waits = () => {
    const each = [new Waits(), new Waits(), new Waits(), new Waits()] as const
    const service = GrpcService.make(Greeter, {
      sayHello: () => each[0].forever,
      keepGreeting: () => Stream.fromEffect(each[1].forever),
      greetAll: () => each[2].forever,
      greetEach: () => Stream.fromEffect(each[3].forever)
    })
    return { each, service }
  }

  it.live("a client that is interrupted cancels the call, and the handler is interrupted", () => {
    const { each, service } = waits()
    return Effect.gen(function*() {
      const calls = yield* everyWay
      for (const [at, waits] of each.entries()) {
        const fiber = yield* Effect.forkChild(calls[at] ?? Effect.void)
        yield* Deferred.await(waits.begun)
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(waits.interrupted)
      }
    }).pipe(Effect.provide(served([service])))
  })

  it.live("a client whose connection is gone interrupts the handler", () => {
    const { each, service } = waits()
    return Effect.gen(function*() {
      const { port } = yield* GrpcServer.GrpcServer
      const fiber = yield* Effect.scoped(Effect.gen(function*() {
        const channel = yield* GrpcChannel.make({ url: `http://127.0.0.1:${port}` })
        const calls = yield* Effect.provideService(everyWay, GrpcChannel.GrpcChannel, channel)
        const fiber = yield* Effect.forkDetach(Effect.flip(calls[0] ?? Effect.void))
        yield* Deferred.await(each[0].begun)
        return fiber
      }))
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(each[0].interrupted)
    }).pipe(Effect.provide(served([service])))
  })

  it.live("AC-31.1 the deadline crosses the wire: the handler knows it and is interrupted, and the code is DEADLINE_EXCEEDED", () => {
    const { each, service } = waits()
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const error = yield* Effect.flip(client.sayHello({ name: "Ada" }, { timeout: "200 millis" }))
      assert.strictEqual(error.code, "DEADLINE_EXCEEDED")
      yield* Deferred.await(each[0].interrupted)
      const late = yield* Effect.flip(Stream.runDrain(client.greetEach(guests("Ada"), { timeout: "200 millis" })))
      assert.strictEqual(late.code, "DEADLINE_EXCEEDED")
      yield* Deferred.await(each[3].interrupted)
      for (const timeout of [0, -1, NaN]) {
        const none = yield* Effect.flip(client.sayHello({ name: "Ada" }, { timeout }))
        assert.strictEqual(none.code, "DEADLINE_EXCEEDED")
      }
    }).pipe(Effect.provide(served([service])))
  })

  it.live("a handler has what is left of its caller's deadline, the earlier one of two, and none where there is none", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const left = (call: Effect.Effect<{ readonly message: string }, unknown>) =>
        Effect.map(call, ({ message }) => Number(message.slice("Hello, ".length)))
      const inTime = yield* left(Deadline.within("1 minute")(client.sayHello({ name: "Ada" })))
      assert.isAbove(inTime, 0)
      assert.isAtMost(inTime, 60_001)
      const own = yield* left(Deadline.within("1 hour")(client.sayHello({ name: "Ada" }, { timeout: "1 minute" })))
      assert.isAtMost(own, 60_001)
      assert.strictEqual(yield* left(client.sayHello({ name: "Ada" })), Infinity)
      assert.strictEqual(yield* left(client.sayHello({ name: "Ada" }, { timeout: "30 days" })), Infinity)
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...ways,
      sayHello: () => Effect.map(Deadline.remaining, (left) => hello(String(left)))
    })]))))

  it.live("a handler that fails with the deadline of a part of it is DEADLINE_EXCEEDED", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const error = yield* Effect.flip(client.sayHello({ name: "Ada" }))
      assert.strictEqual(error.code, "DEADLINE_EXCEEDED")
    }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
      ...ways,
      sayHello: () => Deadline.within("10 millis")(Effect.never)
    })]))))

  it.live("a server that closes interrupts the handlers, and their callers get UNAVAILABLE", () => {
    const { each, service } = waits()
    return Effect.gen(function*() {
      const errors = yield* Effect.scoped(Effect.gen(function*() {
        const context = yield* Layer.build(served([service]))
        const calls = yield* Effect.provideContext(everyWay, context)
        const fibers = yield* Effect.forEach(calls, (call) => Effect.forkDetach(Effect.flip(call)))
        yield* Effect.forEach(each, ({ begun }) => Deferred.await(begun))
        return fibers
      }))
      yield* Effect.forEach(each, ({ interrupted }) => Deferred.await(interrupted))
      for (const fiber of errors) assert.strictEqual((yield* Fiber.join(fiber)).code, "UNAVAILABLE")
    })
  })
})
