// The same server and the same client in grpc-js alone, as any program that knows nothing of Effect has them.
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf"
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError
} from "@grpc/grpc-js"
import { Greeter, type HelloRequest, type HelloResponse } from "./greeter_pb.ts"

type Answer = { readonly message: string }
type Send = (error: { readonly code: number; readonly details: string } | null, answer?: Answer) => void

const encode = (schema: DescMessage) => (message: Record<string, unknown>) =>
  Buffer.from(toBinary(schema, create(schema, message)))
const decode = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes)

const definition = Object.fromEntries(Greeter.methods.map(({ input, methodKind, name, output }) => [name, {
  path: `/${Greeter.typeName}/${name}`,
  requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
  responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
  requestSerialize: encode(input),
  requestDeserialize: decode(input),
  responseSerialize: encode(output),
  responseDeserialize: decode(output)
}]))

const hello = (name: string): Answer => ({ message: `Hello, ${name}` })

/** Listens, and answers with its port. */
export const plainServer = (port: number): Promise<number> => {
  const server = new Server()
  server.addService(definition, {
    SayHello: ({ request }: ServerUnaryCall<HelloRequest, Answer>, send: Send) =>
      request.name === "" ? send({ code: 3, details: "a guest without a name" }) : send(null, hello(request.name)),
    KeepGreeting: (call: ServerWritableStream<HelloRequest, Answer>) => {
      for (let n = 1; n <= 5; n++) call.write(hello(`${call.request.name}, for the ${n}. time`))
      call.end()
    },
    GreetAll: (call: ServerReadableStream<HelloRequest, Answer>, send: Send) => {
      const names: Array<string> = []
      call.on("data", ({ name }: HelloRequest) => names.push(name))
      call.on("end", () => send(null, hello(names.join(" and "))))
    },
    GreetEach: (call: ServerDuplexStream<HelloRequest, Answer>) => {
      call.on("data", ({ name }: HelloRequest) => call.write(hello(name)))
      call.on("end", () => call.end())
    }
  })
  return new Promise((done, failed) =>
    server.bindAsync(
      `127.0.0.1:${port}`,
      ServerCredentials.createInsecure(),
      (error, port) => error === null ? done(port) : failed(error)
    )
  )
}

/** Calls in the four ways, and once so that it is refused. */
export const plainClient = async (url: string, say: (line: string) => void): Promise<void> => {
  const client = new Client(new URL(url).host, credentials.createInsecure())
  const { greetAll, greetEach, keepGreeting, sayHello } = Greeter.method
  const path = ({ name }: { readonly name: string }) => `/${Greeter.typeName}/${name}`
  const request = encode(sayHello.input)
  const response = (bytes: Buffer): HelloResponse => fromBinary(sayHello.output, bytes)
  const answered = (call: (send: (error: ServiceError | null, answer?: Answer) => void) => void) =>
    new Promise<void>((done) =>
      call((error, answer) => {
        say(error === null ? answer?.message ?? "" : `${error.code}: ${error.details}`)
        done()
      })
    )
  await answered((send) => client.makeUnaryRequest(path(sayHello), request, response, { name: "seed" }, send))
  for await (
    const { message } of client.makeServerStreamRequest(path(keepGreeting), request, response, { name: "Grace" })
  ) {
    say(message)
  }
  await answered((send) => {
    const call = client.makeClientStreamRequest(path(greetAll), request, response, send)
    call.write({ name: "Ada" })
    call.write({ name: "Alan" })
    call.end()
  })
  const each = client.makeBidiStreamRequest(path(greetEach), request, response)
  each.write({ name: "Ada" })
  each.end({ name: "Alan" })
  for await (const { message } of each) say(message)
  await answered((send) => client.makeUnaryRequest(path(sayHello), request, response, { name: "" }, send))
  client.close()
}
