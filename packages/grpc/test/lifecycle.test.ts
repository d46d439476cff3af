import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcChannel, GrpcClient, GrpcDrain, GrpcHealth, GrpcServer, GrpcService } from "@heddle/grpc"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { Health, Shutdown } from "heddle/lifecycle"
import { hello, polite, Waits } from "./fixtures/greeter.ts"

const statusName = (status: number) => ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"][status] ?? ""

const quiet = { onReport: () => Effect.void }

const channelTo = (port: number) => GrpcChannel.make({ url: `http://127.0.0.1:${port}` })

const clientOf = (port: number) =>
  Effect.flatMap(
    channelTo(port),
    (channel) => Effect.provideService(GrpcClient.make(Greeter), GrpcChannel.GrpcChannel, channel)
  )

describe("a drain", () => {
  it.live("AC-31.1 drain on shutdown: calls in flight end well, the next ones go elsewhere, and the step is clean", () => {
    const begun = Deferred.makeUnsafe<void>()
    const goOn = Deferred.makeUnsafe<void>()
    const held = Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(goOn))
    const service = GrpcService.make(Greeter, {
      sayHello: ({ name }) => Effect.as(held, hello(name)),
      keepGreeting: ({ name }) =>
        Stream.concat(Stream.succeed(hello(name)), Stream.fromEffect(Effect.as(held, hello(name)))),
      greetAll: () => Effect.succeed(hello("all")),
      greetEach: () => Stream.never
    })
    return Effect.gen(function*() {
      const { inFlight, port } = yield* GrpcServer.GrpcServer
      const { begin } = yield* Shutdown.Shutdown
      const client = yield* clientOf(port)
      const one = yield* Effect.forkChild(client.sayHello({ name: "Ada" }))
      const many = yield* Effect.forkChild(Stream.runCount(client.keepGreeting({ name: "Ada" })))
      yield* Deferred.await(begun)
      yield* Effect.repeat(inFlight, { until: (calls) => calls.length === 2 })
      assert.sameMembers([...(yield* inFlight)], ["greeter.Greeter/SayHello", "greeter.Greeter/KeepGreeting"])
      const report = yield* Effect.forkChild(begin)
      const again = Effect.scoped(Effect.flatMap(clientOf(port), (client) => client.greetAll(Stream.empty)))
      const refused = yield* Effect.result(again).pipe(Effect.repeat({ until: Result.isFailure }))
      assert.deepInclude(Result.isFailure(refused) ? refused.failure : {}, { code: "UNAVAILABLE" })
      assert.isUndefined(report.pollUnsafe())
      yield* Deferred.succeed(goOn, undefined)
      assert.strictEqual((yield* Fiber.join(one)).message, "Hello, Ada")
      assert.strictEqual(yield* Fiber.join(many), 2)
      const { clean, steps } = yield* Fiber.join(report)
      assert.isTrue(clean)
      assert.deepEqual(steps.map(({ name, phase }) => [name, phase]), [["grpc", "stop"]])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        GrpcDrain.layer().pipe(
          Layer.provideMerge(GrpcServer.layer([service], { host: "127.0.0.1", port: 0 })),
          Layer.provideMerge(Shutdown.layer(quiet))
        )
      )
    )
  })

  it.live("a call that does not end in time is named, and is told UNAVAILABLE when the server closes", () => {
    const waits = new Waits()
    const service = GrpcService.make(Greeter, {
      sayHello: () => waits.forever,
      keepGreeting: () => Stream.never,
      greetAll: () => Effect.never,
      greetEach: () => Stream.never
    })
    return Effect.gen(function*() {
      const { call, report } = yield* Effect.gen(function*() {
        const { port } = yield* GrpcServer.GrpcServer
        const { begin } = yield* Shutdown.Shutdown
        const client = yield* clientOf(port)
        const call = yield* Effect.forkDetach(Effect.flip(client.sayHello({ name: "Ada" })))
        yield* Deferred.await(waits.begun)
        return { call, report: yield* begin }
      }).pipe(Effect.provide(
        GrpcDrain.layer({ name: "greeter", timeout: "50 millis" }).pipe(
          Layer.provideMerge(GrpcServer.layer([service], { host: "127.0.0.1", port: 0 })),
          Layer.provideMerge(Shutdown.layer(quiet))
        )
      ))
      assert.isFalse(report.clean)
      const [step] = report.steps
      assert.deepInclude(step, {
        name: "greeter",
        outcome: { _tag: "TimedOut", held: "1 in flight: greeter.Greeter/SayHello", left: false }
      })
      assert.strictEqual((yield* Fiber.join(call)).code, "UNAVAILABLE")
      yield* Deferred.await(waits.interrupted)
    }).pipe(Effect.scoped)
  })
})

describe("health", () => {
  const layers = GrpcServer.layer([polite, GrpcHealth.make([Greeter.typeName])], { host: "127.0.0.1", port: 0 }).pipe(
    Layer.provideMerge(Health.layer),
    Layer.provideMerge(Shutdown.layer(quiet))
  )

  const healthClient = Effect.gen(function*() {
    const { port } = yield* GrpcServer.GrpcServer
    const channel = yield* channelTo(port)
    return yield* Effect.provideService(GrpcClient.make(GrpcHealth.descriptor), GrpcChannel.GrpcChannel, channel)
  })

  it.live("is NOT_SERVING until every part is well, and again when a shutdown has begun, while calls are still served", () =>
    Effect.gen(function*() {
      const client = yield* healthClient
      const { port } = yield* GrpcServer.GrpcServer
      const greeter = yield* clientOf(port)
      const status = (service: string) => Effect.map(client.check({ service }), ({ status }) => statusName(status))
      const cache = yield* Health.component("cache")
      assert.strictEqual(yield* status(""), "NOT_SERVING")
      yield* cache.ok
      assert.strictEqual(yield* status(""), "SERVING")
      assert.strictEqual(yield* status("greeter.Greeter"), "SERVING")
      assert.strictEqual((yield* Effect.flip(client.check({ service: "nobody" }))).code, "NOT_FOUND")
      const { begin, begun } = yield* Shutdown.Shutdown
      const report = yield* Effect.forkChild(begin)
      yield* begun
      assert.strictEqual(yield* status("greeter.Greeter"), "NOT_SERVING")
      assert.strictEqual((yield* greeter.sayHello({ name: "Ada" })).message, "Hello, Ada")
      yield* Fiber.join(report)
    }).pipe(Effect.scoped, Effect.provide(layers)))

  it.live("who watches is told each change, and the stream ends when a shutdown begins", () =>
    Effect.gen(function*() {
      const client = yield* healthClient
      const seen = yield* Queue.unbounded<string>()
      const watcher = yield* client.watch({ service: "" }).pipe(
        Stream.runForEach(({ status }) => Queue.offer(seen, statusName(status))),
        Effect.forkChild
      )
      assert.strictEqual(yield* Queue.take(seen), "SERVING")
      const cache = yield* Health.component("cache")
      assert.strictEqual(yield* Queue.take(seen), "NOT_SERVING")
      yield* cache.ok
      assert.strictEqual(yield* Queue.take(seen), "SERVING")
      const unknown = yield* Stream.runHead(client.watch({ service: "nobody" }))
      assert.strictEqual(unknown._tag === "Some" ? unknown.value.status : undefined, GrpcHealth.Status.SERVICE_UNKNOWN)
      const { begin } = yield* Shutdown.Shutdown
      const report = yield* Effect.forkChild(begin)
      yield* Fiber.join(watcher)
      assert.strictEqual(yield* Queue.take(seen), "NOT_SERVING")
      yield* Fiber.join(report)
    }).pipe(Effect.scoped, Effect.provide(layers)))
})
