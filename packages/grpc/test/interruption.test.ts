import { assert, describe, it } from "@effect/vitest"
import { Greeter } from "@heddle/example-50-greeter/greeter"
import { GrpcClient, GrpcServer, GrpcService } from "@heddle/grpc"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import { hello, served } from "./fixtures/greeter.ts"

/** Interrupts the first fiber that it sees before its step of that number. */
const striking = (at: number) => {
  const scheduler = new Scheduler.MixedScheduler()
  let victim: Fiber.Fiber<unknown, unknown> | undefined
  let steps = 0
  return {
    struck: () => steps >= at,
    scheduler: {
      executionMode: scheduler.executionMode,
      makeDispatcher: () => scheduler.makeDispatcher(),
      shouldYield: (fiber: Fiber.Fiber<unknown, unknown>) => {
        victim ??= fiber
        if (fiber === victim && ++steps === at) fiber.interruptUnsafe()
        return false
      }
    } satisfies Scheduler.Scheduler
  }
}

describe("a call that is interrupted before any of its steps", () => {
  const guests = Stream.make({ name: "Ada" }, { name: "Alan" })
  let begun = 0
  let ended = 0
  const noted = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(Effect.sync(() => begun++), () => self, () => Effect.sync(() => ended++))
  const notedStream = <A, E, R>(self: Stream.Stream<A, E, R>) =>
    Stream.ensuring(
      Stream.suspend(() => {
        begun++
        return self
      }),
      Effect.sync(() => ended++)
    )
  const service = GrpcService.make(Greeter, {
    sayHello: ({ name }) => noted(Effect.succeed(hello(name))),
    keepGreeting: ({ name }) => notedStream(Stream.make(hello(name), hello(name))),
    greetAll: (guests) => noted(Effect.map(Stream.runCount(guests), (count) => hello(String(count)))),
    greetEach: (guests) => notedStream(Stream.map(guests, ({ name }) => hello(name)))
  })
  type Client = GrpcClient.GrpcClient<typeof Greeter>
  const kinds = [
    ["unary", (client: Client) => Effect.asVoid(client.sayHello({ name: "Ada" }))],
    ["server streaming", (client: Client) => Stream.runDrain(client.keepGreeting({ name: "Ada" }))],
    ["client streaming", (client: Client) => Effect.asVoid(client.greetAll(guests))],
    ["bidirectional", (client: Client) => Stream.runDrain(client.greetEach(guests))]
  ] as const

  for (const [kind, call] of kinds) {
    it.live(`is cancelled or done, leaves nothing on the server, and the next one is answered: ${kind}`, () =>
      Effect.gen(function*() {
        const { inFlight } = yield* GrpcServer.GrpcServer
        const client = yield* GrpcClient.make(Greeter)
        let at = 1
        for (;; at++) {
          const { scheduler, struck } = striking(at)
          const fiber = Effect.runFork(Effect.provideService(call(client), Scheduler.Scheduler, scheduler))
          const exit = yield* Effect.callback<Exit.Exit<unknown, unknown>>((resume) => {
            fiber.addObserver((exit) => resume(Effect.succeed(exit)))
          })
          if (!struck()) {
            assert.isTrue(Exit.isSuccess(exit))
            break
          }
          assert.isTrue(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause), `step ${at}: ${String(exit)}`)
        }
        assert.isAbove(at, 20)
        yield* call(client)
        yield* Effect.repeat(inFlight, { until: (calls) => calls.length === 0 })
        assert.strictEqual(ended, begun)
      }).pipe(Effect.provide(served([service]))))
  }
})
