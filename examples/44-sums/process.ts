// A producer or a worker: what it is to be is its last argument, and events go out on stdout, a JSON line each.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { backends } from "./backend.ts"
import { Event, follow, Order } from "./roles.ts"

const Arguments = Schema.Tuple([Schema.Literals(["rabbitmq", "redis"]), Schema.String, Order])

const main = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const tell = <R>(events: Stream.Stream<Event, never, R>) =>
    Stream.run(Stream.map(events, (event) => `${Schema.encodeSync(Event)(event)}\n`), stdio.stdout())
  const [backend, url, order] = yield* Schema.decodeUnknownEffect(Arguments)(yield* stdio.args)
  const { layer } = yield* Effect.promise(backends[backend])
  const answer = tell(follow(order)).pipe(
    Effect.provide(layer(url)),
    Effect.catch(({ message }) => tell(Stream.succeed({ _tag: "Failed", message })))
  )
  // stdin ends when the parent is gone: a worker stops at once and hands back its pairs.
  yield* Effect.raceFirst(Stream.runDrain(stdio.stdin), answer)
})

NodeRuntime.runMain(main.pipe(Effect.provide(NodeServices.layer), Effect.provideService(Logger.LogToStderr, true)))
