import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcCall, GrpcChannel, GrpcClient, GrpcError, GrpcServer } from "@heddle/grpc"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { polite, served } from "./fixtures/greeter.ts"

const wrong = (options: Partial<GrpcServer.Options>, services = [polite]) =>
  GrpcServer.layer(services, { host: "127.0.0.1", port: 0, ...options }).pipe(
    Layer.build,
    Effect.scoped,
    Effect.flip,
    Effect.map((error) => error._tag === "InvalidOption" ? error.option : error._tag)
  )

const wrongChannel = (options: Partial<GrpcChannel.Options>) =>
  GrpcChannel.make({ url: "http://127.0.0.1:1", ...options }).pipe(
    Effect.scoped,
    Effect.flip,
    Effect.map(({ option }) => option)
  )

describe("options", () => {
  it.effect("that cannot mean anything are refused before anything starts", () =>
    Effect.gen(function*() {
      for (const port of [-1, 0.5, 65_536, NaN]) assert.strictEqual(yield* wrong({ port }), "port")
      assert.strictEqual(yield* wrong({ host: "" }), "host")
      assert.strictEqual(yield* wrong({}, [polite, polite]), "services")
      for (const maxMessageBytes of [0, -1, 1.5, NaN, Infinity]) {
        assert.strictEqual(yield* wrong({ maxMessageBytes }), "maxMessageBytes")
        assert.strictEqual(yield* wrongChannel({ maxMessageBytes }), "maxMessageBytes")
      }
      for (const every of [0, -1, NaN, "Infinity"] as const) {
        assert.strictEqual(yield* wrong({ keepalive: { every } }), "keepalive.every")
        assert.strictEqual(yield* wrongChannel({ keepalive: { timeout: every } }), "keepalive.timeout")
      }
      for (const url of ["", "127.0.0.1:1", "ftp://127.0.0.1", "http://"]) {
        assert.strictEqual(yield* wrongChannel({ url }), "url")
      }
      assert.strictEqual(
        yield* wrongChannel({ url: "https://127.0.0.1:1", tls: { own: { cert: "none", key: Redacted.make("none") } } }),
        "tls"
      )
    }))

  it.live("a port that is taken is told with the address", () =>
    Effect.gen(function*() {
      const { port } = yield* GrpcServer.GrpcServer
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(GrpcServer.layer([polite], { host: "127.0.0.1", port })))
      )
      assert.strictEqual(error._tag, "ListenFailed")
      assert.include(error.message, `127.0.0.1:${port}`)
      assert.include(error.message, "EADDRINUSE")
    }).pipe(Effect.provide(served([polite]))))
})

describe("middleware", () => {
  const token = "Bearer 1234"
  const seen: Array<string> = []
  const auth: GrpcServer.Middleware = (call) =>
    Effect.flatMap(GrpcCall.GrpcCall, ({ metadata, method }) => {
      if (metadata["authorization"] !== token) {
        return Effect.fail(new GrpcError.GrpcError({ code: "UNAUTHENTICATED", message: "show a token" }))
      }
      return Effect.onExit(call, (exit) => Effect.sync(() => seen.push(`${method} ${exit._tag}`)))
    })

  it.live("AC-31.1 auth: every kind of call goes through it, and a channel's metadata goes with each", () =>
    Effect.gen(function*() {
      const { port } = yield* GrpcServer.GrpcServer
      const member = yield* GrpcClient.make(Greeter)
      yield* member.sayHello({ name: "Ada" })
      yield* Stream.runDrain(member.keepGreeting({ name: "Ada" }))
      yield* member.greetAll(Stream.empty)
      yield* Stream.runDrain(member.greetEach(Stream.empty))
      const stranger = yield* Effect.provide(
        GrpcClient.make(Greeter).pipe(
          Effect.flatMap((client) =>
            Effect.all([
              Effect.flip(client.sayHello({ name: "Ada" })),
              Effect.flip(Stream.runDrain(client.keepGreeting({ name: "Ada" }))),
              Effect.flip(client.greetAll(Stream.empty)),
              Effect.flip(Stream.runDrain(client.greetEach(Stream.empty)))
            ])
          )
        ),
        GrpcChannel.layer({ url: `http://127.0.0.1:${port}` })
      )
      assert.deepEqual(stranger.map(({ code }) => code), Array.from({ length: 4 }, () => "UNAUTHENTICATED" as const))
      assert.deepEqual(seen, [
        "greeter.Greeter/SayHello Success",
        "greeter.Greeter/KeepGreeting Success",
        "greeter.Greeter/GreetAll Success",
        "greeter.Greeter/GreetEach Success"
      ])
    }).pipe(
      Effect.provide(served([polite], { middleware: auth }, { metadata: Effect.succeed({ authorization: token }) }))
    ))
})
