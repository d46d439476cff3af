import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { KvOutbox } from "heddle/coordination"

type Replies = (replies: ReadonlyArray<string>) => void
type Fail = (error: unknown, fate: KvOutbox.Fate) => void

/** An outbox, what it has sent, and how that is answered. */
const make = (timeout = 1000) => {
  const sent: Array<{ readonly args: ReadonlyArray<string>; readonly reply: Replies; readonly fail: Fail }> = []
  const world = { now: 0, up: true, asked: Infinity }
  const outbox = new KvOutbox.KvOutbox<string, string>({
    isUp: () => world.up,
    timeout,
    now: () => world.now,
    ring: (instant) => {
      world.asked = Math.min(world.asked, instant)
    },
    send: (ops, onReplies, onFail) =>
      void sent.push({ args: ops.map(({ args }) => args), reply: (all) => onReplies(all, world.now), fail: onFail })
  })
  const ask = (args: string, sending?: KvOutbox.Sending) =>
    Effect.forkChild(outbox.ask(args, (reply) => reply, sending), { startImmediately: true })
  const args = () => sent.map((call) => call.args)
  return { ask, args, outbox, sent, world }
}

const tick = Effect.promise(() => Promise.resolve())

describe("the outbox of a key-value store", () => {
  it.effect("sends what was asked in one tick in one call, and no more in it than fits", () =>
    Effect.gen(function*() {
      const { args, ask } = make()
      for (let n = 0; n < 66; n++) yield* ask(`${n}`)
      yield* ask("large", { size: 2_000_000 })
      yield* ask("next")
      yield* tick
      assert.deepStrictEqual(args().map((call) => call.length), [64, 3, 1])
    }))

  it.effect("sends again only what may be, as its fate was", () =>
    Effect.gen(function*() {
      for (
        const [fate, left] of [["lost", ["read"]], ["undone", ["read", "write"]], ["refused", []]] as const
      ) {
        const { args, ask, outbox, sent } = make()
        const asked = [yield* ask("read"), yield* ask("write", { again: false })]
        yield* tick
        sent[0]?.fail(new Error("x"), fate)
        outbox.resend()
        assert.deepStrictEqual(args().slice(1), left.length === 0 ? [] : [[...left]])
        sent[1]?.reply(left.map((it) => `${it}!`))
        const exits = yield* Effect.forEach(asked, Fiber.await)
        assert.deepStrictEqual(
          exits.filter(Exit.isSuccess).map((exit) => exit.value),
          left.map((it) => `${it}!`)
        )
      }
    }))

  it.effect("keeps what it cannot send, but not what was taken back", () =>
    Effect.gen(function*() {
      const { args, ask, outbox, world } = make()
      world.up = false
      yield* ask("kept")
      yield* Fiber.interrupt(yield* ask("taken back"))
      yield* tick
      outbox.resend()
      assert.deepStrictEqual(args(), [])
      world.up = true
      outbox.look()
      assert.deepStrictEqual(args(), [["kept"]])
    }))

  it.effect("fails what takes too long, whether it is on its way or not", () =>
    Effect.gen(function*() {
      const { ask, outbox, sent, world } = make(1000)
      const flying = yield* ask("flying")
      yield* tick
      assert.strictEqual(world.asked, 1000)
      world.up = false
      world.now = 500
      const kept = yield* ask("kept")
      yield* tick
      assert.strictEqual(outbox.look(), 600)
      world.now = 1000
      outbox.look()
      assert.isTrue(Exit.isFailure(yield* Fiber.await(flying)))
      sent[0]?.fail(new Error("late"), "lost")
      world.up = true
      world.now = 1500
      assert.strictEqual(outbox.look(), Infinity)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(kept)))
      assert.strictEqual(sent.length, 1)
    }))

  it.live("is drained when all is answered, and then fails what is asked", () =>
    Effect.gen(function*() {
      const { ask, outbox, sent } = make()
      const asked = yield* ask("last")
      const drained = yield* Effect.forkChild(outbox.drain, { startImmediately: true })
      yield* tick
      assert.isUndefined(drained.pollUnsafe())
      sent[0]?.reply(["done"])
      yield* Fiber.join(drained)
      assert.strictEqual(yield* Fiber.join(asked), "done")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Fiber.join(yield* ask("after")))))
      assert.isTrue(outbox.isClosed())
    }))

  it.live("fails what is still on its way when it closes", () =>
    Effect.gen(function*() {
      const { ask, outbox } = make()
      const asked = yield* ask("unanswered")
      yield* tick
      yield* outbox.drain
      assert.isTrue(Exit.isFailure(yield* Fiber.await(asked)))
    }))
})
