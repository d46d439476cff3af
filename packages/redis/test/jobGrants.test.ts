import { assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { JobBackend } from "heddle/messaging"
import { Redis } from "ioredis"
import { recheck } from "../src/internal/jobLua.ts"
import * as Script from "../src/internal/jobScript.ts"
import type { Args } from "../src/internal/kvScript.ts"
import { unpack } from "../src/internal/msgpack.ts"
import { callScript, keys, start } from "./jobScriptCall.ts"

const claim = { queue: "queue", max: 2, ttl: 1000, owner: "me" }
const entry = (id: string, payload = Uint8Array.of(0, 127, 128, 191, 192, 255)): JobBackend.Entry => ({
  id,
  payload,
  headers: {},
  key: undefined,
  priority: 0,
  delay: 0,
  maxAttempts: 2,
  keep: 0
})

/** A queue on a clock that is set, and what is told to the session `s` and to all. */
const making = Effect.gen(function*() {
  const { url } = yield* Servers.redis
  const connect = Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (client) => Effect.sync(() => client.disconnect())
  )
  const [client, listener] = [yield* connect, yield* connect]
  const told = yield* Queue.unbounded<string>()
  listener.on(
    "message",
    (channel: string, message: string) => Queue.offerUnsafe(told, channel === `${start}:news` ? "news" : message)
  )
  const hears = Effect.promise(() => listener.subscribe(`${start}:to:s`, `${start}:news`))
  const clock = { now: 1_700_000_000_000 }
  const run = (...steps: ReadonlyArray<Args>) => Effect.promise(() => callScript(client, clock.now, steps))
  const claims = (asked?: boolean, waiter = "s.1") =>
    Effect.map(
      run(Script.claim(claim, asked === undefined ? undefined : { id: waiter, asked })),
      ([reply = null]) => Script.claimedOf(reply).found
    )
  const enqueues = (...entries: ReadonlyArray<JobBackend.Entry>) => run(Script.enqueue(entries))
  /** All that was told until now. */
  const tells = Effect.gen(function*() {
    yield* Effect.promise(() => client.publish(`${start}:to:s`, "end"))
    const all: Array<string> = []
    for (let one = yield* Queue.take(told); one !== "end"; one = yield* Queue.take(told)) all.push(one)
    return all
  })
  const left = Effect.promise(() => client.keys("*"))
  return { claims, clock, enqueues, hears, left, run, tells }
})

/** Whom a message is for, and the jobs in it. */
const grantOf = (message = "") => {
  const [waiter, whole = ""] = message.split(/\n(.*)/s)
  return { waiter, found: whole === "" ? [] : Script.claimedOf(unpack(Buffer.from(whole, "latin1"))).found }
}
const ids = (found: ReadonlyArray<Script.Found>) => found.map(({ id }) => id)

describe("a claim that waits on Redis", () => {
  it.effect("is told the jobs that are claimed for it, byte by byte, and nobody else is told", () =>
    Effect.gen(function*() {
      const { claims, enqueues, hears, tells } = yield* making
      yield* hears
      assert.deepStrictEqual(yield* claims(false), [])
      yield* enqueues(entry("a"), entry("b"))
      const messages = yield* tells
      assert.strictEqual(messages.length, 1)
      const { found, waiter } = grantOf(messages[0])
      assert.strictEqual(waiter, "s.1")
      assert.deepStrictEqual(ids(found), ["a", "b"])
      assert.deepStrictEqual([...found[0]?.payload ?? []], [0, 127, 128, 191, 192, 255])
      assert.deepStrictEqual(yield* claims(), [])
      // It waits no longer.
      yield* enqueues(entry("c"))
      assert.deepStrictEqual(yield* tells, [])
    }))

  it.effect("gets no more than it asks for, the longest first, and the rest is news for those who are left", () =>
    Effect.gen(function*() {
      const { claims, enqueues, hears, run, tells } = yield* making
      yield* hears
      yield* claims(false, "s.1")
      yield* enqueues(entry("a"), entry("b"), entry("c"))
      const [first, ...others] = yield* tells
      assert.deepStrictEqual([ids(grantOf(first).found), others], [["a", "b"], []])
      assert.deepStrictEqual(ids(yield* claims()), ["c"])
      yield* claims(false, "s.2")
      yield* claims(false, "s.3")
      yield* run(Script.enqueue([{ ...entry("d"), priority: 1 }]))
      assert.deepStrictEqual(yield* tells, ["news"])
    }))

  it.effect("that was not told is answered what it has, under its token and uncounted, for its whole time", () =>
    Effect.gen(function*() {
      const { claims, clock, enqueues, hears, tells } = yield* making
      yield* hears
      yield* claims(false)
      yield* enqueues(entry("a"), entry("b"))
      const { found } = grantOf((yield* tells)[0])
      clock.now += 900
      const again = yield* claims(true)
      assert.deepStrictEqual(
        again.map(({ attempt, id, token }) => [attempt, id, token]),
        found.map(({ attempt, id, token }) => [attempt, id, token])
      )
      clock.now += 900
      assert.deepStrictEqual(yield* claims(), [])
      clock.now += 200
      assert.deepStrictEqual((yield* claims()).map(({ attempt, id }) => [attempt, id]), [[2, "a"], [2, "b"]])
    }))

  it.effect("that leaves hands back what it was given, uncounted and once", () =>
    Effect.gen(function*() {
      const { claims, enqueues, hears, run } = yield* making
      yield* hears
      yield* claims(false)
      yield* enqueues(entry("a"), entry("b"))
      yield* run(Script.leave(claim, "s.1"), Script.leave(claim, "s.1"))
      const found = yield* claims()
      assert.deepStrictEqual(found.map(({ attempt, id }) => [attempt, id]), [[1, "a"], [1, "b"]])
      yield* run(Script.leave(claim, "s.1"))
      assert.deepStrictEqual(yield* claims(), [])
    }))

  it.effect("is given nothing when it has left, when nobody hears its channel, or when it was not heard of for long", () =>
    Effect.gen(function*() {
      const { claims, clock, enqueues, hears, run, tells } = yield* making
      yield* claims(false)
      yield* enqueues(entry("a"))
      const first = yield* claims()
      assert.deepStrictEqual(ids(first), ["a"])
      yield* run(Script.settle(first.map((held) => ({ held, settlement: { _tag: "Completed", result: undefined } }))))
      yield* hears
      yield* claims(false)
      yield* run(Script.leave(claim, "s.1"))
      yield* enqueues(entry("b"))
      const found = yield* claims()
      assert.deepStrictEqual(ids(found), ["b"])
      yield* run(Script.settle(found.map((held) => ({ held, settlement: { _tag: "Completed", result: undefined } }))))
      yield* claims(false)
      clock.now += 4 * recheck
      yield* enqueues(entry("c"))
      assert.deepStrictEqual(ids(yield* claims()), ["c"])
      assert.deepStrictEqual(yield* tells, [])
    }))

  it.effect("is told to ask for what is large", () =>
    Effect.gen(function*() {
      const { claims, enqueues, hears, tells } = yield* making
      yield* hears
      yield* claims(false)
      yield* enqueues(entry("a", new Uint8Array(5000)))
      assert.deepStrictEqual(yield* tells, ["s.1\n"])
      assert.deepStrictEqual(ids(yield* claims(true)), ["a"])
    }))

  it.effect("is given nothing while the queue is paused, and what has come when it is no longer", () =>
    Effect.gen(function*() {
      const { claims, enqueues, hears, run, tells } = yield* making
      yield* hears
      yield* run(Script.pause(true))
      yield* claims(false)
      yield* enqueues(entry("a"))
      assert.deepStrictEqual(yield* tells, [])
      yield* run(Script.pause(false))
      assert.deepStrictEqual(ids(grantOf((yield* tells)[0]).found), ["a"])
    }))

  it.effect("says as whose a job is claimed, and how many are", () =>
    Effect.gen(function*() {
      const { claims, enqueues, hears, run } = yield* making
      yield* hears
      yield* claims(false)
      yield* enqueues(entry("a"), entry("b"))
      const [stats = null, info = null] = yield* run(Script.stats, Script.inspect("a"))
      assert.strictEqual(Script.statsOf(stats).claimed, 2)
      assert.deepStrictEqual(Script.infoOf("a", info), {
        id: "a",
        state: "claimed",
        attempts: 1,
        key: undefined,
        owner: "me"
      })
    }))

  it.effect("is answered what it has, and hands it back, also when somebody has asked for it meanwhile", () =>
    Effect.gen(function*() {
      const { claims, clock, enqueues, hears, left, run } = yield* making
      yield* hears
      yield* claims(false)
      yield* enqueues(entry("a"), entry("b"))
      yield* run(Script.outcome("b"))
      clock.now += 900
      const found = yield* claims(true)
      assert.deepStrictEqual(found.map(({ attempt, id }) => [attempt, id]), [[1, "a"], [1, "b"]])
      assert.strictEqual(new Set(found.map(({ token }) => token)).size, 1)
      assert.deepStrictEqual([...found[1]?.payload ?? []], [...entry("b").payload])
      yield* run(Script.outcome("a"))
      clock.now += 900
      yield* run(Script.leave(claim, "s.1"))
      const back = yield* claims()
      assert.deepStrictEqual(back.map(({ attempt, id }) => [attempt, id]), [[1, "a"], [1, "b"]])
      const end = (held: Script.Found) => ({ held, settlement: { _tag: "Completed", result: undefined } } as const)
      assert.deepStrictEqual(Script.settledOf((yield* run(Script.settle(back.map(end))))[0] ?? null), [
        "Completed",
        "Completed"
      ])
      clock.now += 2000
      const [stats = null] = yield* run(Script.stats)
      assert.deepStrictEqual(Script.statsOf(stats), { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
      assert.deepStrictEqual(yield* run(Script.claim(claim)), [[-1, [], 0, clock.now]])
      assert.deepStrictEqual(yield* left, [keys[0]])
    }))
})
