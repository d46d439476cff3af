import { afterAll } from "@effect/vitest"
import { kvStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { PostgresKvStore } from "../src/index.ts"
import * as PostgresTest from "./PostgresTest.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const { admin, proxy, server, url } = await Effect.runPromise(Scope.provide(PostgresTest.make, scope))

const options = { url, commandTimeout: "2 seconds" } as const
const heal = () => proxy.heal

/** Forgets all changes, as trimming does, and that of the last revision too. */
const compact = Effect.andThen(
  admin("delete from heddle.kv_log where revision < (select max(revision) from heddle.kv_log)"),
  admin("update heddle.kv_log set before = revision, key = null")
)

kvStoreLaws("postgres", PostgresKvStore.layer(options), {
  shared: true,
  compact,
  leastTtl: 600,
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), heal)
})
