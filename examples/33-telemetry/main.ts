// A mail service with two pools that Prometheus can scrape.
//   node --conditions=@heddle/source examples/33-telemetry/main.ts
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { WorkerPool } from "heddle/flow"
import { Telemetry } from "heddle/observability"
import { Bulkhead } from "heddle/resilience"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

/** Sends letters: each takes a place at the mail server, and every seventh comes back. */
export const work = (letters: number) =>
  Effect.gen(function*() {
    const server = yield* Bulkhead.make({ name: "mail server", running: 4, waiting: 1000 })
    const fast = yield* WorkerPool.make({ size: 10, queue: 1000, name: "fast" })
    const slow = yield* WorkerPool.make({ size: 3, queue: 1000, name: "slow" })
    const send = (letter: number) => letter % 7 === 0 ? Effect.fail("it came back") : Effect.sleep(letter % 5)
    yield* Effect.forEach(
      Array.from({ length: letters }, (_, index) => index + 1),
      (letter) => Effect.exit((letter % 3 === 0 ? slow : fast).submit(server.run(send(letter)))),
      { concurrency: "unbounded", discard: true }
    )
  })

/** The service's HTTP side: `/metrics`, and the process in it. */
export const metrics = (port: number) =>
  HttpRouter.serve(Telemetry.layerPrometheus(), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port, host: "127.0.0.1" })),
    Layer.merge(Telemetry.layerRuntime)
  )

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const main = Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    yield* Console.log(`scrape ${HttpServer.formatAddress(address)}/metrics; Ctrl-C ends`)
    yield* Effect.forever(Effect.andThen(work(100), Effect.sleep("1 second")))
  })
  NodeRuntime.runMain(main.pipe(Effect.scoped, Effect.provide(metrics(9464))))
}
