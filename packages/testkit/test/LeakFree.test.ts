import { assert, describe, it } from "@effect/vitest"
import { LeakFree } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createConnection, createServer } from "node:net"

const { leakFree } = LeakFree

/** What is left, and what ends it, so that this test leaves nothing itself. */
const told = <A>(forgetful: Effect.Effect<A>, end: (value: A) => void) =>
  Effect.gen(function*() {
    let kept: A | undefined
    const keep = Effect.map(forgetful, (value) => void (kept = value))
    const { left } = yield* Effect.flip(leakFree(keep))
    if (kept !== undefined) end(kept)
    return left
  })

describe("leakFree", () => {
  it.live("AC-11.1 names a fiber, a timer and a server that are left, each with its place", () =>
    Effect.gen(function*() {
      const fibers = yield* told(
        Effect.withSpan(Effect.forkDetach(Effect.never, { startImmediately: true }), "forgets"),
        (fiber) => fiber.interruptUnsafe()
      )
      assert.strictEqual(fibers.length, 1)
      assert.match(fibers[0] ?? "", /^fiber forgets#\d+ .*LeakFree\.test\.ts/)
      const timers = yield* told(Effect.sync(() => setInterval(() => {}, 60_000)), clearInterval)
      assert.strictEqual(timers.length, 1)
      assert.match(timers[0] ?? "", /^Timeout at .*LeakFree\.test\.ts:\d+/)
      const servers = yield* told(Effect.sync(() => createServer().listen(0, "127.0.0.1")), (server) => server.close())
      assert.deepEqual(servers.map((server) => server.split(" ")[0]), ["TCPSERVERWRAP"])
    }))

  it.live("names what an effect leaves that also leaves a fiber", () =>
    Effect.gen(function*() {
      const both = Effect.andThen(
        Effect.forkDetach(Effect.sleep("1 hour"), { startImmediately: true }),
        (fiber) => Effect.succeed(fiber)
      )
      const left = yield* told(both, (fiber) => fiber.interruptUnsafe())
      assert.deepEqual(left.map((one) => one.split(" ")[0]), ["fiber", "Timeout"])
    }))

  it.live("AC-11.1 passes what cleans up after itself: sleeps, timeouts, sockets, servers, interrupted fibers", () =>
    Effect.gen(function*() {
      const server = Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer((socket) => socket.end("hello")).listen(
            0,
            "127.0.0.1",
            () => resume(Effect.succeed(server))
          )
        }),
        (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      const tidy = Effect.gen(function*() {
        yield* Effect.sleep(1)
        yield* Effect.timeoutOption(Effect.never, 1)
        yield* Fiber.interrupt(yield* Effect.forkDetach(Effect.sleep("1 hour"), { startImmediately: true }))
        const address = (yield* server).address()
        if (address === null || typeof address === "string") return yield* Effect.die(address)
        return yield* Effect.callback<string>((resume) => {
          let heard = ""
          createConnection(address.port, "127.0.0.1").on("data", (chunk) => void (heard += String(chunk)))
            .on("close", () => resume(Effect.succeed(heard)))
        })
      })
      assert.strictEqual(yield* leakFree(Effect.scoped(tidy)), "hello")
    }))

  /** Does something so many turns of the event loop later. */
  const later = (turns: number, act: () => void): void =>
    void setImmediate(turns === 1 ? act : () => later(turns - 1, act))

  it.live("names what comes into being twelve turns of the event loop after the effect has ended", () =>
    Effect.gen(function*() {
      for (const turns of [1, 12]) {
        const timers: Array<NodeJS.Timeout> = []
        const late = Effect.sync(() => {
          later(turns, () => timers.push(setInterval(() => {}, 60_000)))
          return timers
        })
        const left = yield* told(late, (all) => all.forEach((timer) => clearInterval(timer)))
        assert.deepEqual(left.map((one) => one.split(" ")[0]), ["Timeout"])
      }
    }))

  it.live("waits for what goes eleven turns later", () =>
    Effect.gen(function*() {
      for (const turns of [1, 11]) {
        yield* leakFree(Effect.sync(() => {
          const timer = setInterval(() => {}, 60_000)
          later(turns, () => clearInterval(timer))
        }))
      }
    }))

  it.live("does not blame an effect for what others leave meanwhile", () =>
    Effect.gen(function*() {
      const other = yield* Effect.forkChild(Effect.forever(Effect.sleep(1)))
      yield* leakFree(Effect.sleep(10))
      yield* Fiber.interrupt(other)
    }))

  it.live("lets a failure be what it is, and hands an interruption on", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(leakFree(Effect.fail("x"))), "x")
      let ended = false
      const fiber = yield* Effect.forkChild(
        leakFree(Effect.ensuring(Effect.never, Effect.sync(() => void (ended = true)))),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      assert.isTrue(ended)
    }))
})
