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

  it.live("who works has a session for that, and goes on without it", () =>
    Effect.gen(function*() {
      const schema = "worker_session"
      const admin = PostgresTest.adminOf(server.url)
      const those = (what: string) =>
        Effect.map(
          admin("select pid from pg_stat_activity where pid <> pg_backend_pid() and query like $1", [`%${what}%`]),
          (rows) => rows.flat()
        )
      const [adders, workers] = [those(`"${schema}".job_enqueue`), those(`"${schema}".job_settle`)]
      yield* Effect.gen(function*() {
        const store = yield* JobStore.JobStore
        const queue = randomUUID()
        const add = store.enqueue(queue, [{ payload: Uint8Array.of(1) }])
        const work = Effect.scoped(Effect.gen(function*() {
          const [job] = yield* store.claim(queue)
          if (job === undefined) return assert.fail()
          yield* store.settle(job, { _tag: "Completed" })
        }))
        /** Works until the session that it works on is not one of these. */
        const worksOnAnother = (known: ReadonlyArray<unknown>) =>
          PostgresTest.eventually(
            Effect.map(
              Effect.andThen(Effect.andThen(add, work), workers),
              (now) => now.length === 1 && !known.includes(now[0])
            )
          )
        yield* add
        const adding = yield* adders
        assert.strictEqual(adding.length, 1)
        yield* work
        yield* worksOnAnother(adding)
        const own = yield* workers
        yield* admin("select pg_terminate_backend(unnest($1::int4[]))", [own])
        yield* worksOnAnother([...own, ...adding])
        // Some of the work may have gone there meanwhile.
        yield* add
        assert.deepStrictEqual(yield* adders, adding)
      }).pipe(Effect.provide(PostgresJobStore.layer({ url: server.url, schema })))
    }).pipe(Effect.scoped))
})
