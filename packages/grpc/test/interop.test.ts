import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { StringValueSchema } from "@bufbuild/protobuf/wkt"
import { assert, describe, it } from "@effect/vitest"
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  status
} from "@grpc/grpc-js"
import { Greeter, HelloRequestSchema, HelloResponseSchema } from "@heddle/example-50-greeter/greeter"
import { GrpcCall, GrpcChannel, GrpcClient, GrpcError, GrpcServer, GrpcService } from "@heddle/grpc"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { hello, polite, refused, Waits } from "./fixtures/greeter.ts"

type Request = { readonly name: string }
type Response = { readonly message: string }

const requestBytes = (request: Request) =>
  Buffer.from(toBinary(HelloRequestSchema, create(HelloRequestSchema, request)))
const responseBytes = (answer: Response) =>
  Buffer.from(toBinary(HelloResponseSchema, create(HelloResponseSchema, answer)))
const request = (bytes: Buffer): Request => fromBinary(HelloRequestSchema, bytes)
const response = (bytes: Buffer): Response => fromBinary(HelloResponseSchema, bytes)

const definition = Object.fromEntries(
  ([["SayHello", false, false], ["KeepGreeting", false, true], ["GreetAll", true, false], [
    "GreetEach",
    true,
    true
  ]] as const)
    .map(([name, requestStream, responseStream]) => [name, {
      path: `/greeter.Greeter/${name}`,
      requestStream,
      responseStream,
      requestSerialize: requestBytes,
      requestDeserialize: request,
      responseSerialize: responseBytes,
      responseDeserialize: response
    }])
)

/** A client of grpc-js alone. */
const plainClient = Effect.gen(function*() {
  const { port } = yield* GrpcServer.GrpcServer
  return yield* Effect.acquireRelease(
    Effect.sync(() => new Client(`127.0.0.1:${port}`, credentials.createInsecure())),
    (client) => Effect.sync(() => client.close())
  )
})

/** A server of grpc-js alone, and a channel of ours to it. */
const plainServer = (handlers: Parameters<Server["addService"]>[1]) =>
  Layer.unwrap(Effect.gen(function*() {
    const server = yield* Effect.acquireRelease(
      Effect.sync(() => new Server()),
      (server) => Effect.sync(() => server.forceShutdown())
    )
    server.addService(definition, handlers)
    const port = yield* Effect.callback<number, Error>((resume) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
        resume(error === null ? Effect.succeed(port) : Effect.fail(error)))
    )
    return GrpcChannel.layer({ url: `http://127.0.0.1:${port}` })
  }))

const lines = (stream: AsyncIterable<unknown>) =>
  Effect.promise(async () => {
    const all: Array<unknown> = []
    for await (const one of stream) all.push(one)
    return all
  })

const ours = (service: GrpcService.GrpcService<never>) => GrpcServer.layer([service], { host: "127.0.0.1", port: 0 })

describe("a plain client of our server", () => {
  it.live("calls all four kinds, with metadata there and back", () =>
    Effect.gen(function*() {
      const client = yield* plainClient
      const metadata = new Metadata()
      metadata.set("guest-id", "7")
      metadata.set("seal-bin", Buffer.from([1, 2, 3]))
      const unary = yield* Effect.callback<readonly [Response | undefined, Metadata, Metadata], ServiceError>(
        (resume) => {
          let headers = new Metadata()
          let trailers = new Metadata()
          let answer: Response | undefined
          const call = client.makeUnaryRequest(
            "/greeter.Greeter/SayHello",
            requestBytes,
            response,
            { name: "Ada" },
            metadata,
            (error, value) => {
              answer = value
              if (error !== null) resume(Effect.fail(error))
            }
          )
          call.on("metadata", (sent: Metadata) => {
            headers = sent
          })
          call.on("status", (status: { readonly metadata: Metadata }) => {
            trailers = status.metadata
            resume(Effect.succeed([answer, headers, trailers]))
          })
        }
      )
      assert.strictEqual(unary[0]?.message, "Hello, Ada of greeter.Greeter/SayHello, 7, AQID")
      assert.deepEqual(unary[1].get("room"), ["12"])
      assert.deepEqual(unary[2].get("bill-bin"), [Buffer.from("free")])
      const many = client.makeServerStreamRequest("/greeter.Greeter/KeepGreeting", requestBytes, response, {
        name: "Ada"
      })
      assert.lengthOf(yield* lines(many), 3)
      const all = yield* Effect.callback<Response | undefined, ServiceError>((resume) => {
        const call = client.makeClientStreamRequest(
          "/greeter.Greeter/GreetAll",
          requestBytes,
          response,
          (error, value) => resume(error === null ? Effect.succeed(value) : Effect.fail(error))
        )
        call.write({ name: "Ada" })
        call.write({ name: "Alan" })
        call.end()
      })
      assert.strictEqual(all?.message, "Hello, Ada and Alan")
      const each = client.makeBidiStreamRequest("/greeter.Greeter/GreetEach", requestBytes, response)
      each.write({ name: "Ada" })
      each.end({ name: "Alan" })
      assert.lengthOf(yield* lines(each), 2)
    }).pipe(
      Effect.scoped,
      Effect.provide(ours(GrpcService.make(Greeter, {
        sayHello: ({ name }) =>
          Effect.gen(function*() {
            const { metadata, method, peer, sendMetadata, setTrailers } = yield* GrpcCall.GrpcCall
            assert.match(peer, /^127\.0\.0\.1:\d+$/)
            yield* sendMetadata({ room: "12" })
            yield* setTrailers({ "bill-bin": Buffer.from("free").toString("base64") })
            return hello(`${name} of ${method}, ${metadata["guest-id"]}, ${metadata["seal-bin"]}`)
          }),
        keepGreeting: ({ name }) => Stream.map(Stream.range(1, 3), (n) => hello(`${name} ${n}`)),
        greetAll: (guests) =>
          Stream.runCollect(guests).pipe(Effect.map((all) => hello(all.map(({ name }) => name).join(" and ")))),
        greetEach: Stream.map(({ name }) => hello(name))
      })))
    ))

  it.live("gets the code, the message and the details of an error", () =>
    Effect.gen(function*() {
      const client = yield* plainClient
      const error = yield* Effect.callback<ServiceError | null>((resume) => {
        client.makeUnaryRequest("/greeter.Greeter/SayHello", requestBytes, response, { name: "Ada" }, (error) =>
          resume(Effect.succeed(error)))
      })
      assert.strictEqual(error?.code, status.NOT_FOUND)
      assert.strictEqual(error?.details, "no such guest: ☃")
      assert.deepEqual(error?.metadata.get("retry-in"), ["7"])
      assert.lengthOf(error?.metadata.get("grpc-status-details-bin") ?? [], 1)
    }).pipe(
      Effect.scoped,
      Effect.provide(ours(GrpcService.make(Greeter, {
        sayHello: () =>
          Effect.fail(refused),
        keepGreeting: () =>
          Stream.empty,
        greetAll: () =>
          Effect.never,
        greetEach: () =>
          Stream.empty
      })))
    ))

  it.live("interrupts the handler when it cancels, and when its deadline is over", () => {
    const each = [new Waits(), new Waits(), new Waits(), new Waits()] as const
    return Effect.gen(function*() {
      const client = yield* plainClient
      const call = client.makeUnaryRequest(
        "/greeter.Greeter/SayHello",
        requestBytes,
        response,
        { name: "Ada" },
        () => {}
      )
      yield* Deferred.await(each[0].begun)
      call.cancel()
      yield* Deferred.await(each[0].interrupted)
      const bidi = client.makeBidiStreamRequest("/greeter.Greeter/GreetEach", requestBytes, response)
      bidi.on("error", () => {})
      yield* Deferred.await(each[3].begun)
      bidi.cancel()
      yield* Deferred.await(each[3].interrupted)
      const late = client.makeServerStreamRequest(
        "/greeter.Greeter/KeepGreeting",
        requestBytes,
        response,
        { name: "Ada" },
        { deadline: Date.now() + 200 }
      )
      const error = yield* Effect.callback<ServiceError>((resume) => {
        late.on("error", (error: ServiceError) => resume(Effect.succeed(error)))
      })
      assert.strictEqual(error.code, status.DEADLINE_EXCEEDED)
      yield* Deferred.await(each[1].interrupted)
    }).pipe(
      Effect.scoped,
      Effect.provide(ours(GrpcService.make(Greeter, {
        sayHello: () => each[0].forever,
        keepGreeting: () => Stream.fromEffect(each[1].forever),
        greetAll: () => each[2].forever,
        greetEach: () => Stream.fromEffect(each[3].forever)
      })))
    )
  })

  it.live("that calls what is not there gets UNIMPLEMENTED", () =>
    Effect.gen(function*() {
      const client = yield* plainClient
      const error = yield* Effect.callback<ServiceError | null>((resume) => {
        client.makeUnaryRequest("/greeter.Greeter/SayGoodbye", requestBytes, response, { name: "Ada" }, (error) =>
          resume(Effect.succeed(error)))
      })
      assert.strictEqual(error?.code, status.UNIMPLEMENTED)
    }).pipe(Effect.scoped, Effect.provide(ours(polite))))
})

const texts = <E, R>(answers: Stream.Stream<Response, E, R>) =>
  Effect.map(Stream.runCollect(answers), (all) => all.map(({ message }) => message))

describe("our client of a plain server", () => {
  const plain = {
    SayHello: (call: ServerUnaryCall<Request, Response>, send: (error: null, answer: Response) => void) =>
      send(null, hello(`${call.request.name}, ${call.metadata.get("guest-id").join()}`)),
    KeepGreeting: (call: ServerWritableStream<Request, Response>) => {
      call.write(hello(call.request.name))
      call.write(hello(call.request.name))
      call.end()
    },
    GreetAll: (call: ServerReadableStream<Request, Response>, send: (error: null, answer: Response) => void) => {
      const names: Array<string> = []
      call.on("data", ({ name }: Request) => names.push(name))
      call.on("end", () => send(null, hello(names.join(" and "))))
    },
    GreetEach: (call: ServerDuplexStream<Request, Response>) => {
      call.on("data", ({ name }: Request) => call.write(hello(name)))
      call.on("end", () => call.end())
    }
  }

  it.live("calls all four kinds, with metadata of the channel and of the call", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const guests = Stream.make({ name: "Ada" }, { name: "Alan" })
      const { message } = yield* client.sayHello({ name: "Ada" }, { metadata: { "guest-id": "7" } })
      assert.strictEqual(message, "Hello, Ada, 7")
      assert.lengthOf(yield* texts(client.keepGreeting({ name: "Ada" })), 2)
      assert.strictEqual((yield* client.greetAll(guests)).message, "Hello, Ada and Alan")
      assert.deepEqual(yield* texts(client.greetEach(guests)), ["Hello, Ada", "Hello, Alan"])
      const bad = yield* Effect.flip(client.sayHello({ name: "Ada" }, { metadata: { "Guest ID": "7" } }))
      assert.strictEqual(bad.code, "INVALID_ARGUMENT")
    }).pipe(Effect.provide(plainServer(plain))))

  it.live("gets the code and the message of an error, also one that only says no", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const error = yield* Effect.flip(client.sayHello({ name: "Ada" }))
      assert.strictEqual(error.code, "PERMISSION_DENIED")
      assert.strictEqual(error.message, "members only")
      assert.deepEqual(GrpcError.detailsOf(error, StringValueSchema), [])
      const strange = yield* Effect.flip(Stream.runDrain(client.keepGreeting({ name: "Ada" })))
      assert.strictEqual(strange.code, "UNKNOWN")
    }).pipe(Effect.provide(plainServer({
      ...plain,
      SayHello: (_: unknown, send: (error: { readonly code: number; readonly details: string }) => void) =>
        send({ code: status.PERMISSION_DENIED, details: "members only" }),
      KeepGreeting: (call: ServerWritableStream<Request, Response>) =>
        void call.emit("error", { code: 99, details: "whatever" })
    }))))

  it.live("is heard when it is interrupted, and told the deadline", () => {
    const begun = Deferred.makeUnsafe<Date | number>()
    const cancelled = Deferred.makeUnsafe<void>()
    return Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const before = Date.now()
      const call = client.sayHello({ name: "Ada" }, { timeout: "1 hour" })
      const fiber = yield* Effect.forkChild(call)
      const deadline = Number(yield* Deferred.await(begun))
      assert.isAbove(deadline, before + 3_500_000)
      assert.isAtMost(deadline, Date.now() + 3_600_001)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(cancelled)
    }).pipe(Effect.provide(plainServer({
      ...plain,
      SayHello: (call: ServerUnaryCall<Request, Response>) => {
        call.on("cancelled", () => Deferred.doneUnsafe(cancelled, Effect.void))
        Deferred.doneUnsafe(begun, Effect.succeed(call.getDeadline()))
      }
    })))
  })

  it.live("that streams where one answer belongs, or sends none, is UNIMPLEMENTED", () =>
    Effect.gen(function*() {
      const client = yield* GrpcClient.make(Greeter)
      const two = yield* Effect.flip(client.greetAll(Stream.make({ name: "2" })))
      assert.strictEqual(two.code, "UNIMPLEMENTED")
      const none = yield* Effect.flip(client.greetAll(Stream.make({ name: "0" })))
      assert.strictEqual(none.code, "UNIMPLEMENTED")
    }).pipe(Effect.provide(Layer.unwrap(Effect.gen(function*() {
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => new Server()),
        (server) => Effect.sync(() => server.forceShutdown())
      )
      server.register(
        "/greeter.Greeter/GreetAll",
        (call: ServerDuplexStream<Request, Response>) => {
          call.on("data", ({ name }: Request) => {
            for (let n = 0; n < Number(name); n++) call.write(hello(name))
          })
          call.on("end", () => call.end())
        },
        responseBytes,
        request,
        "bidi"
      )
      const port = yield* Effect.callback<number, Error>((resume) =>
        server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
          resume(error === null ? Effect.succeed(port) : Effect.fail(error)))
      )
      return GrpcChannel.layer({ url: `http://127.0.0.1:${port}` })
    })))))
})
