import { afterAll, assert, describe, it } from "@effect/vitest"
import { allJobAbilities, jobStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { JobStore } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { PostgresJobStore } from "../src/index.ts"
import { jobChannel } from "../src/internal/jobSql.ts"
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

describe("PostgresJobStore", () => {
  it.live("claims that wait one after the other are told through one session", () =>
    Effect.gen(function*() {
      const schema = "one_session"
      const listeners = Effect.map(
        PostgresTest.adminOf(server.url)("select pid from pg_stat_activity where query = $1", [
          `LISTEN "${jobChannel(schema)}"`
        ]),
        (rows) => rows.flat()
      )
      yield* Effect.gen(function*() {
        const store = yield* JobStore.JobStore
        const queue = randomUUID()
        const told: Array<unknown> = []
        for (let turn = 0; turn < 3; turn++) {
          const waiting = yield* Effect.forkScoped(store.claim(queue, { waitFor: "1 minute" }))
          yield* PostgresTest.eventually(Effect.map(listeners, ({ length }) => length > 0))
          yield* store.enqueue(queue, [{ payload: Uint8Array.of(turn) }])
          const [job] = yield* Fiber.join(waiting)
          if (job === undefined) return assert.fail()
          yield* store.settle(job, { _tag: "Completed" })
          told.push(...yield* listeners)
        }
        assert.strictEqual(told.length, 3)
        assert.strictEqual(new Set(told).size, 1)
      }).pipe(Effect.provide(PostgresJobStore.layer({ url: server.url, schema })))
    }).pipe(Effect.scoped))
})
