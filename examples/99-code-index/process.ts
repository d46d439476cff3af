// A worker process: what it works on is its argument, orders come in on stdin, and on stdout it says that it is ready.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { Shutdown } from "heddle/lifecycle"
import { Assignment } from "./assignment.ts"
import { layerOf } from "./stack.ts"
import { work } from "./worker.ts"

const main = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const { run, stack, worker } = yield* Schema.decodeUnknownEffect(Assignment)((yield* stdio.args)[0])
  const begun = yield* Deferred.make<void>()
  let asked = false
  const obey = (order: string) =>
    order === "begin" ? Deferred.succeed(begun, undefined) : Effect.sync(() => void (asked = true))
  // stdin ends when the parent is gone: the worker shuts down, and gives back what it holds.
  const listen = stdio.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach(obey),
    Effect.andThen(Effect.flatMap(Shutdown.Shutdown, ({ begin }) => begin)),
    Effect.andThen(Effect.never)
  )
  const stand = { asked: Effect.sync(() => asked), still: Effect.never }
  const ready = Effect.andThen(Stream.run(Stream.make("ready\n"), stdio.stdout()), Deferred.await(begun))
  yield* Effect.raceFirst(Effect.provide(Effect.andThen(ready, work(run, worker, stand)), layerOf(stack)), listen)
})

NodeRuntime.runMain(
  main.pipe(
    Shutdown.run,
    Effect.provide(Shutdown.layer({ onReport: () => Effect.void })),
    Effect.provide(NodeServices.layer),
    Effect.provideService(Logger.LogToStderr, true)
  ),
  { teardown: Shutdown.teardown }
)
