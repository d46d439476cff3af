import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcClient, GrpcService } from "@heddle/grpc"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { Telemetry } from "heddle/observability"
import { hello, polite, refused, served } from "./fixtures/greeter.ts"

const rows = new Map(Telemetry.metrics.filter(({ of }) => of === "gRPC").map((row) => [row.name, row]))

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

describe("metrics", () => {
  it.live("AC-31.1 log and metrics: every call is observed once on either side, by its method and its status, as the catalogue says", () =>
    fresh(
      Effect.gen(function*() {
        const client = yield* GrpcClient.make(Greeter)
        yield* client.sayHello({ name: "Ada" })
        yield* client.sayHello({ name: "Ada" })
        yield* Effect.flip(client.greetAll(Stream.empty))
        yield* Stream.runDrain(client.greetEach(Stream.empty))
        yield* Effect.flip(client.sayHello({ name: "Ada" }, { timeout: 0 }))
        const counts = Effect.map(
          Metric.snapshot,
          (all) =>
            all.flatMap(({ attributes = {}, description, id, state, type }) => {
              const row = rows.get(id)
              assert.strictEqual(row?.description, description)
              assert.strictEqual(row?.type, type.toLowerCase())
              for (const [label, value] of Object.entries(attributes)) {
                const values = row?.labels[label]
                assert.isTrue(values === "named" || values?.includes(value) === true, `${label}=${value}`)
              }
              const count = "count" in state ? Number(state.count) : NaN
              return [`${id} ${attributes["rpc_method"]} ${attributes["rpc_response_status_code"]} ${count}`]
            }).toSorted()
        )
        const expected = [
          "rpc_client_call_duration_seconds greeter.Greeter/GreetAll NOT_FOUND 1",
          "rpc_client_call_duration_seconds greeter.Greeter/GreetEach OK 1",
          "rpc_client_call_duration_seconds greeter.Greeter/SayHello OK 2",
          "rpc_server_call_duration_seconds greeter.Greeter/GreetAll NOT_FOUND 1",
          "rpc_server_call_duration_seconds greeter.Greeter/GreetEach OK 1",
          "rpc_server_call_duration_seconds greeter.Greeter/SayHello OK 2"
        ]
        assert.deepEqual(yield* counts, expected)
        assert.deepEqual(
          [...new Set(expected.map((line) => line.split(" ")[0] ?? ""))].toSorted(),
          [...rows.keys()].toSorted()
        )
      }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
        sayHello: ({ name }) => Effect.succeed(hello(name)),
        keepGreeting: () => Stream.empty,
        greetAll: () => Effect.fail(refused),
        greetEach: () => Stream.empty
      })])))
    ))
})

/** A tracer that keeps the spans that have ended. */
const recorder = () => {
  const ended: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      const end = span.end.bind(span)
      span.end = (at, exit) => {
        ended.push(span)
        end(at, exit)
      }
      return span
    }
  })
  return { ended, tracer }
}

describe("traces", () => {
  it.live("AC-31.1 the place in a trace crosses the wire: handlers' spans are below the client's, which are below the caller's", () => {
    const { ended, tracer } = recorder()
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const client = yield* GrpcClient.make(Greeter)
        yield* client.sayHello({ name: "Ada" }).pipe(Effect.withSpan("request"))
        yield* Stream.runDrain(client.keepGreeting({ name: "Ada" })).pipe(Effect.withSpan("request"))
        yield* Effect.flip(client.greetAll(Stream.empty)).pipe(Effect.withSpan("request"))
      }).pipe(Effect.provide(served([GrpcService.make(Greeter, {
        sayHello: ({ name }) => Effect.succeed(hello(name)).pipe(Effect.withSpan("work")),
        keepGreeting: () => Stream.fromEffect(Effect.succeed(hello("")).pipe(Effect.withSpan("work"))),
        greetAll: () => Effect.fail(refused).pipe(Effect.withSpan("work")),
        greetEach: () => Stream.empty
      })])))
      const pathOf = (span: Tracer.AnySpan): string => {
        if (span._tag === "ExternalSpan") {
          const local = ended.find(({ spanId }) => spanId === span.spanId)
          return local === undefined ? "?" : pathOf(local)
        }
        const parent = Option.getOrUndefined(span.parent)
        return `${span.name}(${span.kind})${parent === undefined ? "" : ` < ${pathOf(parent)}`}`
      }
      const paths = ended.filter(({ name }) => name === "work").map(pathOf)
      const path = (method: string) =>
        `work(internal) < greeter.Greeter/${method}(server) < greeter.Greeter/${method}(client) < request(internal)`
      assert.deepEqual(paths, [path("SayHello"), path("KeepGreeting"), path("GreetAll")])
      assert.strictEqual(new Set(ended.map(({ traceId }) => traceId)).size, 3)
      const calls = ended.filter(({ kind }) => kind !== "internal")
      assert.lengthOf(calls, 6)
      for (const { attributes, name } of calls) {
        assert.strictEqual(attributes.get("rpc.system.name"), "grpc")
        assert.strictEqual(attributes.get("rpc.method"), name)
        assert.strictEqual(attributes.get("rpc.response.status_code"), name.endsWith("All") ? "NOT_FOUND" : "OK")
      }
    }).pipe(Effect.withTracer(tracer))
  })

  it.live("a call of nobody's begins a trace of its own, wherever the server was built", () => {
    const { ended, tracer } = recorder()
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        const client = yield* GrpcClient.make(Greeter)
        yield* client.sayHello({ name: "Ada" }, { metadata: { traceparent: "nonsense" } }).pipe(
          Effect.withTracerEnabled(false)
        )
      }).pipe(Effect.provide(served([polite])), Effect.withSpan("main"))
      const server = ended.find(({ kind }) => kind === "server")
      assert.isDefined(server)
      assert.isTrue(server === undefined || Option.isNone(server.parent))
    }).pipe(Effect.withTracer(tracer))
  })
})
