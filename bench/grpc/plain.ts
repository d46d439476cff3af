import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary
} from "@bufbuild/protobuf"
import { Client, credentials, Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js"
import { HelloRequestSchema, HelloResponseSchema } from "@heddle/example-50-greeter/greeter"
import type { Open } from "../harness/Load.ts"
import { inLanesAsync } from "../resilience/lanes.ts"
import { repeatAsync } from "../resilience/repeat.ts"

const codec = <M extends DescMessage>(schema: M) => ({
  to: (message: MessageInitShape<M>) => Buffer.from(toBinary(schema, create(schema, message))),
  from: (bytes: Buffer): MessageShape<M> => fromBinary(schema, bytes)
})
const request = codec(HelloRequestSchema)
const response = codec(HelloResponseSchema)

const method = (name: string, responseStream: boolean) => ({
  path: `/greeter.Greeter/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: request.to,
  requestDeserialize: request.from,
  responseSerialize: response.to,
  responseDeserialize: response.from
})

type Requested = MessageShape<typeof HelloRequestSchema>
type Answer = MessageInitShape<typeof HelloResponseSchema>

/** A server and a client of it in one process. */
const greeter = async () => {
  const server = new Server()
  server.addService({ SayHello: method("SayHello", false), KeepGreeting: method("KeepGreeting", true) }, {
    SayHello: (call: { readonly request: Requested }, send: (error: null, answer: Answer) => void) =>
      send(null, { message: `Hello, ${call.request.name}` }),
    KeepGreeting: (call: ServerWritableStream<Requested, Answer>) => {
      let left = Number(call.request.name)
      const go = () => {
        while (left-- > 0) if (!call.write({ message: "Hello" })) return void call.once("drain", go)
        call.end()
      }
      go()
    }
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      "127.0.0.1:0",
      ServerCredentials.createInsecure(),
      (error, port) => error === null ? resolve(port) : reject(error)
    )
  )
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const sayHello = () =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(
        "/greeter.Greeter/SayHello",
        request.to,
        response.from,
        { name: "Ada" },
        (error, answer) => error === null ? resolve(answer) : reject(error)
      )
    )
  const keepGreeting = async (count: number) => {
    const path = "/greeter.Greeter/KeepGreeting"
    for await (const _ of client.makeServerStreamRequest(path, request.to, response.from, { name: `${count}` }));
  }
  return { sayHello, keepGreeting }
}

export const open: Open = async () => {
  const { keepGreeting, sayHello } = await greeter()
  switch (new URL(import.meta.url).search) {
    case "?single":
      return repeatAsync(sayHello)
    case "?stream":
      return { run: keepGreeting }
    default:
      return inLanesAsync(sayHello)
  }
}
