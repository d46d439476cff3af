/** A server of grpc-js, from its first call to its last. */
import { Server, type ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Calls } from "./Calls.ts"
import type { Method } from "./method.ts"
import { handleCall } from "./respond.ts"

/** What the answers of the last calls may take to leave before their connections are cut. */
const lastWords = "1 second"

interface Options<R> {
  readonly calls: Calls<R>
  readonly methods: ReadonlyArray<Method<R>>
  readonly options: Readonly<Record<string, number>>
  readonly host: string
  readonly port: number
  readonly credentials: () => ServerCredentials
}

export interface Listening {
  readonly port: number
  /** Takes nothing more, and waits until every connection is closed: each is when its last call has ended. */
  readonly drained: Effect.Effect<void>
}

/** Where it could not listen, and why. */
interface Refused {
  readonly address: string
  readonly cause: unknown
}

export const listen = <R>(
  { calls, credentials, host, methods, options, port }: Options<R>
): Effect.Effect<Listening, Refused, Scope.Scope> =>
  Effect.gen(function*() {
    const server = new Server(options)
    const ended = Deferred.makeUnsafe<void>()
    let ending = false
    const drained = Effect.suspend(() => {
      if (!ending) {
        ending = true
        server.tryShutdown(() => Deferred.doneUnsafe(ended, Effect.void))
      }
      return Deferred.await(ended)
    })
    const close = calls.close.pipe(
      Effect.andThen(Effect.timeoutOption(drained, lastWords)),
      Effect.andThen(Effect.sync(() => server.forceShutdown()))
    )
    for (const method of methods) add(server, method, calls)
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`
    const bound = yield* Effect.acquireRelease(bind(server, address, credentials), () => close)
    return { port: bound, drained }
  })

const add = <R>(server: Server, method: Method<R>, calls: Calls<R>): void => {
  const { name, methodKind } = method.descriptor
  const definition = {
    path: `/${method.name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestDeserialize: method.decode,
    requestSerialize: refuse,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: refuse
  }
  const implementation: UntypedServiceImplementation = { [name]: handleCall(method, calls.take(method)) }
  server.addService({ [name]: definition }, implementation)
}

/** The client's half of a definition, which a server does not use. */
const refuse = (): never => {
  throw new Error("a server only reads requests and writes answers")
}

const bind = (server: Server, address: string, credentials: () => ServerCredentials) =>
  Effect.callback<number, Refused>((resume) => {
    const failed = (cause: unknown) => resume(Effect.fail({ address, cause }))
    try {
      server.bindAsync(
        address,
        credentials(),
        (error, port) => error === null ? resume(Effect.succeed(port)) : failed(error)
      )
    } catch (cause) {
      failed(cause)
    }
  })
