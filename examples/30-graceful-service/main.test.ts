import { assert, describe, it } from "@effect/vitest"
import { RedisLeaseStore } from "@heddle/redis"
import { Servers } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DistributedLock } from "heddle/coordination"
import { ids, type Service, start } from "./Service.ts"

const post = (service: Service, path: string) =>
  Effect.promise(async () => {
    try {
      const response = await fetch(`${service.url}${path}`, { method: "POST" })
      return { status: response.status, text: await response.text() }
    } catch {
      return { status: 0, text: "" }
    }
  })

/** Eight clients that bring one job after the other until one is not taken, and what they were answered. */
const load = (service: Service, enough: Deferred.Deferred<void>) =>
  Effect.gen(function*() {
    const answered = new Set<string>()
    const refusals = new Set<number>()
    let next = 0
    const client = Effect.gen(function*() {
      for (;;) {
        const id = `${next++}`
        const { status, text } = yield* post(service, `/${next % 4 === 0 ? "later" : "jobs"}/${id}`)
        if (status !== 200 && status !== 202) return refusals.add(status)
        assert.strictEqual(text, id)
        answered.add(id)
        if (answered.size >= 100) yield* Deferred.succeed(enough, undefined)
      }
    })
    yield* Effect.all(Array.from({ length: 8 }, () => client), { concurrency: "unbounded", discard: true })
    return { answered, refusals }
  })

/** SIGTERM under load: what has become of everything that was accepted. */
const stopped = (service: Service) =>
  Effect.gen(function*() {
    const enough = yield* Deferred.make<void>()
    const clients = yield* Effect.forkChild(load(service, enough))
    yield* Deferred.await(enough)
    yield* service.signal("SIGTERM")
    const { answered, refusals } = yield* Fiber.join(clients)
    const code = yield* service.ended
    assert.isAtLeast(answered.size, 100)
    assert.isTrue([...refusals].every((status) => status === 503 || status === 0))
    const accepted = ids(service, "accepted")
    assert.deepStrictEqual(new Set(accepted), answered, "every request that was accepted was answered")
    const later = accepted.filter((id) => Number(id) % 4 === 3)
    assert.isAbove(later.length, 0)
    assert.sameMembers([...ids(service, "done"), ...ids(service, "back")], later, "every job is done or handed back")
    return code
  })

const report = ({ lines }: Service) =>
  lines.slice(lines.findIndex((line) => line.startsWith("shutdown by"))).map((line) => line.replace(/, \d+ ms$/, ""))

const parts = (drain: ReadonlyArray<string>) => [
  "  stop http: finished",
  ...drain.map((line) => `  drain ${line}`),
  "  release lease: finished",
  "  end the program: finished"
]

const drained = ["later: finished", "pool: finished"]

describe("a service that is stopped while it works", () => {
  it.live("AC-10.5 AC-10.6 no accepted request fails, accepted jobs are done, and the code is the signal's", () =>
    Effect.gen(function*() {
      const service = yield* start(["memory"])
      assert.strictEqual(yield* stopped(service), 143)
      assert.lengthOf(ids(service, "back"), 0)
      assert.deepStrictEqual(report(service), ["shutdown by SIGTERM, clean", ...parts(drained)])
    }))

  it.live("on Redis the lease is free for the next in line when it is given back, long before it would run out", () =>
    Effect.gen(function*() {
      const { url } = yield* Servers.redis
      const service = yield* start(["redis"], { HEDDLE_REDIS_URL: url })
      const token = BigInt((yield* service.said("holds ")).slice("holds ".length))
      const inLine = yield* DistributedLock.withLock("service/one", { waitFor: "50 seconds" })((lease) =>
        Effect.succeed(lease.token)
      ).pipe(Effect.provide(RedisLeaseStore.layer({ url })), Effect.forkChild)
      assert.strictEqual(yield* stopped(service), 143)
      assert.isTrue((yield* Fiber.join(inLine)) > token)
      assert.deepStrictEqual(report(service), ["shutdown by SIGTERM, clean", ...parts(drained)])
    }))

  it.live("AC-10.3 a part that hangs is named with what it held; all else ends well, and the code is 1", () =>
    Effect.gen(function*() {
      const service = yield* start(["memory", "--hang"])
      assert.strictEqual(yield* stopped(service), 1)
      assert.deepStrictEqual(ids(service, "lease"), ["free"])
      const [first, ...steps] = report(service)
      assert.strictEqual(first, "shutdown by SIGTERM, not clean")
      assert.sameMembers(steps, parts([...drained, "mailer: timed out, left behind, held 3 letters"]))
    }))

  it.live("AC-10.4 a second signal hurries: jobs that do not end are handed back, the lease is free, and the code is 1", () =>
    Effect.gen(function*() {
      const service = yield* start(["memory", "--slow"])
      const jobs = Array.from({ length: 10 }, (_, id) => post(service, `/later/${id}`))
      const taken = yield* Effect.all(jobs, { concurrency: "unbounded" })
      assert.isTrue(taken.every(({ status }) => status === 202))
      yield* service.signal("SIGTERM")
      yield* service.said("drains")
      yield* service.signal("SIGINT")
      assert.strictEqual(yield* service.ended, 1)
      assert.lengthOf(ids(service, "back"), 10)
      assert.deepStrictEqual(ids(service, "lease"), ["free"])
      assert.deepStrictEqual(report(service), [
        "shutdown by SIGTERM, hurried by SIGINT, not clean",
        ...parts(["later: cut short, held 3 jobs that run, 7 that wait", "pool: skipped: in a hurry"])
      ])
    }))

  it.live("SIGINT and SIGHUP have codes of their own", () =>
    Effect.forEach(
      [["SIGINT", 130], ["SIGHUP", 129]] as const,
      ([signal, code]) =>
        Effect.scoped(Effect.gen(function*() {
          const service = yield* start(["memory"])
          yield* service.signal(signal)
          assert.strictEqual(yield* service.ended, code)
          assert.strictEqual(report(service)[0], `shutdown by ${signal}, clean`)
        })),
      { concurrency: "unbounded" }
    ))
})
