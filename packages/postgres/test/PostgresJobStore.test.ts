import { afterAll } from "@effect/vitest"
import { allJobAbilities, jobStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { PostgresJobStore } from "../src/index.ts"
import * as PostgresTest from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

jobStoreLaws("postgres", PostgresJobStore.layer({ url, commandTimeout: "2 seconds" }), {
  ...allJobAbilities,
  shared: true,
  leastTtl: 1000,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})
