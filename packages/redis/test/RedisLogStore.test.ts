import { afterAll } from "@effect/vitest"
import { logLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { RedisLogStore } from "../src/index.ts"
import * as RedisTest from "./RedisTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { proxy, server, url } = await Effect.runPromise(Scope.provide(RedisTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const

logLaws("redis", RedisLogStore.layer(options), {
  shared: true,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})
