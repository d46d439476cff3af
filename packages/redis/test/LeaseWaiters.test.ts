import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Lease, type LeaseBackend } from "heddle/coordination"
import type { Op } from "../src/internal/LeaseOutbox.ts"
import { LeaseWaiters } from "../src/internal/LeaseWaiters.ts"

const claim: LeaseBackend.Claim = {
  id: "session:1",
  resource: "a",
  owner: "test",
  value: "",
  permits: 1,
  limit: 1,
  tokens: 1,
  ttl: 60_000,
  wait: true
}

/** A claim in line, asked for at 0, and a push of its grant at that instant. */
const pushedAt = (instant: number) =>
  Effect.gen(function*() {
    const sent: Array<Op> = []
    let now = 0
    const waiters = new LeaseWaiters({
      outbox: { add: (op) => void sent.push(op) },
      keyOf: (resource) => resource,
      owner: "test",
      heardSince: () => -Infinity,
      trustFor: 1000,
      timeout: 5000,
      heartbeat: 60_000,
      patience: 180_000,
      now: () => now,
      ring: () => {},
      onBeat: () => {},
      failure: (error) => new Lease.StoreUnavailable({ backend: "test", message: String(error) })
    })
    const asking = yield* Effect.forkChild(waiters.ask(claim), { startImmediately: true })
    sent.shift()?.onReply("Q60000.000 7", 0)
    const answer = yield* Fiber.join(asking)
    if (answer._tag !== "Queued") return yield* Effect.die(answer)
    const granted = yield* Effect.forkChild(answer.granted, { startImmediately: true })
    now = instant
    waiters.push("session:1 8 60000.000")
    return { sent, granted }
  })

describe("a grant that was pushed", () => {
  it.effect("counts shortly after the server was heard", () =>
    Effect.gen(function*() {
      const { granted, sent } = yield* pushedAt(1000)
      assert.strictEqual((yield* Fiber.join(granted)).token, 8n)
      assert.deepStrictEqual(sent, [])
    }))

  it.effect("is asked for again when the server may have lost its place since it was heard", () =>
    Effect.gen(function*() {
      const { granted, sent } = yield* pushedAt(1001)
      yield* Effect.yieldNow
      assert.isUndefined(granted.pollUnsafe())
      assert.deepStrictEqual(sent.map(({ args }) => args[0]), [2, 6])
      sent[1]?.onReply("G9", 1001)
      assert.strictEqual((yield* Fiber.join(granted)).token, 9n)
    }))
})
