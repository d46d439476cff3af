import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcChannel, GrpcClient, GrpcServer, GrpcService } from "@heddle/grpc"
import { FaultProxy } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { hello, polite, Waits } from "./fixtures/greeter.ts"
import * as Tls from "./fixtures/tls.ts"

const clientOf = (options: GrpcChannel.Options) =>
  Effect.flatMap(
    GrpcChannel.make(options),
    (channel) => Effect.provideService(GrpcClient.make(Greeter), GrpcChannel.GrpcChannel, channel)
  )

describe("TLS", () => {
  const server = { cert: Tls.serverCert, key: Redacted.make(Tls.serverKey) }
  const own = { cert: Tls.clientCert, key: Redacted.make(Tls.clientKey) }
  const listen = (tls: GrpcServer.Options["tls"]) => GrpcServer.layer([polite], { host: "127.0.0.1", port: 0, tls })

  const greeted = (tls: GrpcChannel.Options["tls"], scheme = "https") =>
    Effect.gen(function*() {
      const { port } = yield* GrpcServer.GrpcServer
      const client = yield* clientOf({ url: `${scheme}://localhost:${port}`, tls })
      const { message } = yield* client.sayHello({ name: "Ada" }, { timeout: "10 seconds" })
      return message
    }).pipe(Effect.scoped)

  it.live("is spoken by both sides, and whoever does not trust the server, or speaks plainly, gets nothing", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* greeted({ ca: Tls.ca }), "Hello, Ada")
      const stranger = yield* Effect.flip(greeted(undefined))
      assert.deepInclude(stranger, { code: "UNAVAILABLE" })
      const plain = yield* Effect.flip(greeted(undefined, "http"))
      assert.deepInclude(plain, { code: "UNAVAILABLE" })
    }).pipe(Effect.provide(listen(server))))

  it.live("with an authority, the server refuses whoever shows no certificate of it", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* greeted({ ca: Tls.ca, own }), "Hello, Ada")
      const stranger = yield* Effect.flip(greeted({ ca: Tls.ca }))
      assert.deepInclude(stranger, { code: "UNAVAILABLE" })
    }).pipe(Effect.provide(listen({ ...server, ca: Tls.ca }))))
})

describe("a connection that breaks", () => {
  const keepalive = { every: "200 millis", timeout: "200 millis" } as const
  const waits = () => {
    const waits = new Waits()
    const service = GrpcService.make(Greeter, {
      sayHello: ({ name }) => Effect.succeed(hello(name)),
      keepGreeting: () => Stream.empty,
      greetAll: () => waits.forever,
      greetEach: () => Stream.empty
    })
    return { waits, layer: GrpcServer.layer([service], { host: "127.0.0.1", port: 0, keepalive }) }
  }

  it.live("by a reset is UNAVAILABLE, ends the handler, and the next call has another connection", () => {
    const { layer, waits: { begun, interrupted } } = waits()
    return Effect.gen(function*() {
      const proxy = yield* FaultProxy.make(yield* GrpcServer.GrpcServer)
      const client = yield* clientOf({ url: `http://127.0.0.1:${proxy.port}` })
      const call = yield* Effect.forkChild(Effect.flip(client.greetAll(Stream.empty)))
      yield* Deferred.await(begun)
      yield* proxy.reset
      assert.strictEqual((yield* Fiber.join(call)).code, "UNAVAILABLE")
      yield* Deferred.await(interrupted)
      const again = client.sayHello({ name: "Ada" })
      const { message } = yield* Effect.retry(again, { while: ({ code }) => code === "UNAVAILABLE" })
      assert.strictEqual(message, "Hello, Ada")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.live("in silence is found by both sides", () => {
    const { layer, waits: { begun, interrupted } } = waits()
    return Effect.gen(function*() {
      const proxy = yield* FaultProxy.make(yield* GrpcServer.GrpcServer)
      const client = yield* clientOf({ url: `http://127.0.0.1:${proxy.port}`, keepalive })
      const call = yield* Effect.forkChild(Effect.flip(client.greetAll(Stream.empty)))
      yield* Deferred.await(begun)
      yield* proxy.cut("both")
      assert.strictEqual((yield* Fiber.join(call)).code, "UNAVAILABLE")
      yield* Deferred.await(interrupted)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })
})
