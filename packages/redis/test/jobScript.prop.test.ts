import { assert, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { JobTwin } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Redis } from "ioredis"
import * as Script from "../src/internal/jobScript.ts"
import type { Args, Reply } from "../src/internal/kvScript.ts"
import { callScript, keys } from "./jobScriptCall.ts"

class Fixture extends Context.Service<Fixture, { readonly redis: Redis }>()("test/Fixture") {
  static readonly layer = Layer.effect(
    Fixture,
    Effect.gen(function*() {
      const { url } = yield* Servers.redis
      const connect = Effect.sync(() => new Redis(url))
      return { redis: yield* Effect.acquireRelease(connect, (client) => Effect.sync(() => client.disconnect())) }
    })
  )
}

/** A queue whose operations are carried out in the script, all of a step in one call. */
const subjectOf = (redis: Redis): JobTwin.Subject => {
  const all = (now: number, steps: ReadonlyArray<Args>) => Effect.promise(() => callScript(redis, now, steps))
  const one = <A>(now: number, args: Args, read: (reply: Reply) => A) =>
    Effect.map(all(now, [args]), ([reply = null]) => read(reply))
  return {
    enqueue: (now, entries) => one(now, Script.enqueue(entries), Script.flagsOf),
    claim: (now, claim) => one(now, Script.claim(claim), (reply) => Script.claimedOf(reply).found),
    extend: (now, held) =>
      one(now, Script.extend([{ ...held, queue: "queue" }]), (reply) => Script.flagsOf(reply)[0] === true),
    settle: (now, ends) => one(now, Script.settle(ends), Script.settledOf),
    report: (now, held, value) => one(now, Script.report(held, value), (reply) => Script.countOf(reply) === 1),
    cancel: (now, id) =>
      one(now, Script.cancel(id), (reply) => {
        const token = Script.cancelledOf(reply)
        return token === undefined ? "none" : token === 0 ? "waiting" : "claimed"
      }),
    redrive: (now, ids) => one(now, Script.redrive(ids), Script.countOf),
    purge: (now, what) => one(now, Script.purge(what), Script.countOf),
    pause: (now, paused) => one(now, Script.pause(paused), () => {}),
    look: (now, ids) =>
      Effect.map(
        all(now, [Script.stats, Script.dead(100), ...ids.map(Script.inspect), ...ids.map(Script.outcome)]),
        ([stats = null, dead = null, ...rest]) => ({
          stats: Script.statsOf(stats),
          letters: Script.lettersOf(dead),
          infos: ids.map((id, at) => Script.infoOf(id, rest[at] ?? null)),
          events: ids.map((_, at) => Script.eventOf(rest[ids.length + at] ?? null))
        })
      )
  }
}

layer(Fixture.layer)((it) => {
  it.effect.prop(
    "the script answers and keeps what the machine does",
    { batches: JobTwin.Batches },
    ({ batches }) =>
      Effect.gen(function*() {
        const { redis } = yield* Fixture
        yield* Effect.promise(() => redis.flushall())
        yield* JobTwin.compare(subjectOf(redis), batches)
        // What is over leaves nothing behind but the queue's own numbers.
        assert.deepStrictEqual(yield* Effect.promise(() => redis.keys("*")), [keys[0]])
      }),
    { arbitrary: { runs: 300, size: 60 }, timeout: 120_000 }
  )

  it.effect("a plain job that was cancelled and came again is claimed once, in its new place", () =>
    Effect.gen(function*() {
      const { redis } = yield* Fixture
      yield* Effect.promise(() => redis.flushall())
      const subject = subjectOf(redis)
      const plain = {
        payload: Uint8Array.of(),
        headers: {},
        key: undefined,
        priority: 0,
        delay: 0,
        maxAttempts: 1,
        keep: 0
      }
      yield* subject.enqueue(1000, [{ ...plain, id: "a" }, { ...plain, id: "b" }])
      assert.strictEqual(yield* subject.cancel(1000, "a"), "waiting")
      yield* subject.enqueue(1000, [{ ...plain, id: "a" }])
      const found = yield* subject.claim(1000, { max: 3, ttl: 1000, owner: "me" })
      assert.deepStrictEqual(found.map(({ id }) => id), ["b", "a"])
    }))
})
