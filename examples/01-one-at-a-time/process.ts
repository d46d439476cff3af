// A worker process: jobs come in on stdin and events go out on stdout, a JSON line each.
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { backends } from "./backend.ts"
import { Event, Job } from "./job.ts"
import { work } from "./worker.ts"

const Arguments = Schema.Tuple([Schema.Literals(["redis", "etcd"]), Schema.String])

const main = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  const tell = <R>(events: Stream.Stream<Event, never, R>) =>
    Stream.run(Stream.map(events, (event) => `${Schema.encodeSync(Event)(event)}\n`), stdio.stdout())

  const [backend, url] = yield* Schema.decodeUnknownEffect(Arguments)(yield* stdio.args)
  const { layer } = yield* Effect.promise(backends[backend])

  const jobs = yield* Queue.unbounded<Job>()
  const listen = stdio.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) => Queue.offer(jobs, Schema.decodeSync(Job)(line)))
  )
  const answer = tell(work(Stream.fromQueue(jobs))).pipe(
    Effect.provide(layer(url)),
    Effect.catch(({ message }) => tell(Stream.succeed({ _tag: "Failed", message })))
  )
  // stdin ends when there is no more work, and when the parent is gone: the worker stops at once and gives its lock back.
  yield* Effect.raceFirst(listen, answer)
})

NodeRuntime.runMain(main.pipe(Effect.provide(NodeServices.layer), Effect.provideService(Logger.LogToStderr, true)))
