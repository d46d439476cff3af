import { afterAll } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { allJobAbilities, jobStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { NatsJobStore } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.nats, scope))
const proxy = await Effect.runPromise(Scope.provide(FaultProxy.make(server), scope))

const servers = [`nats://127.0.0.1:${proxy.port}`]
jobStoreLaws("nats", NatsJobStore.layer({ servers, commandTimeout: "2 seconds" }), {
  ...allJobAbilities,
  shared: true,
  leastTtl: 600,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})
