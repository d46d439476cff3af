import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { createHash, randomBytes } from "node:crypto"
import { connect, createServer, type Socket } from "node:net"
import * as FaultProxy from "../src/FaultProxy.ts"
import { until } from "../src/internal/until.ts"

/** A server on loopback; its connections end with the scope. */
const listening = (onSocket: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly sockets: Set<Socket>; readonly close: () => void }>((resume) => {
      const sockets = new Set<Socket>()
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
        onSocket(socket)
      })
      const close = () => {
        server.close()
        sockets.forEach((socket) => socket.destroy())
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, sockets, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** A server that answers each line with `re:<line>`, keeps the lines, and can push. */
const lineServer = Effect.gen(function*() {
  const lines: Array<string> = []
  const { port, sockets, close } = yield* listening((socket) => {
    socket.on("end", () => socket.end())
    socket.on("data", (data) => {
      for (const line of data.toString().split("\n").filter((line) => line !== "")) {
        lines.push(line)
        socket.write(`re:${line}\n`)
      }
    })
  })
  return { port, lines, push: (text: string) => sockets.forEach((socket) => socket.write(text)), close }
})

/** A client whose events are a queue: `connect`, each chunk as text, and at last `end`, `close` or an error code. */
const client = (port: number) =>
  Effect.gen(function*() {
    const events = yield* Queue.unbounded<string>()
    const offer = (event: string) => Queue.offerUnsafe(events, event)
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect({ port, host: "127.0.0.1" })),
      (socket) => Effect.sync(() => socket.destroy())
    )
    socket.on("connect", () => offer("connect"))
    socket.on("data", (data) => offer(data.toString()))
    socket.on("end", () => offer("end"))
    socket.on("error", (error) => offer("code" in error ? String(error.code) : error.message))
    const next = Queue.take(events).pipe(Effect.timeout("5 seconds"))
    return {
      socket,
      next,
      pending: Effect.map(Queue.size(events), Number),
      send: (line: string) => Effect.sync(() => socket.write(`${line}\n`)),
      ask: (line: string) => Effect.suspend(() => (socket.write(`${line}\n`), next))
    }
  })

const connected = (port: number) =>
  Effect.gen(function*() {
    const made = yield* client(port)
    assert.strictEqual(yield* made.next, "connect")
    return made
  })

const setUp = Effect.gen(function*() {
  const server = yield* lineServer
  const proxy = yield* FaultProxy.make({ host: "127.0.0.1", port: server.port })
  const one = yield* connected(proxy.port)
  return { server, proxy, one }
})

const eventually = (check: () => boolean) =>
  Effect.flatMap(until(Effect.sync(check), "5 seconds"), (ok) => Effect.sync(() => assert.isTrue(ok, String(check))))

describe("FaultProxy", () => {
  it.live("a healthy proxy passes bytes both ways and counts connections", () =>
    Effect.gen(function*() {
      const { proxy, one } = yield* setUp
      assert.strictEqual(yield* one.ask("a"), "re:a\n")
      assert.strictEqual(yield* proxy.connections, 1)
      one.socket.end()
      assert.strictEqual(yield* one.next, "end")
      assert.isTrue(yield* until(Effect.map(proxy.connections, (n) => n === 0), "5 seconds"))
    }))

  it.live("no byte is lost or reordered, with and without latency", () =>
    Effect.gen(function*() {
      const echo = yield* listening((socket) => socket.pipe(socket))
      const proxy = yield* FaultProxy.make({ host: "127.0.0.1", port: echo.port })
      for (const latency of [0, 3]) {
        yield* proxy.latency(latency)
        const sent = randomBytes(8 * 1024 * 1024)
        const socket = yield* Effect.acquireRelease(
          Effect.sync(() => connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true })),
          (socket) => Effect.sync(() => socket.destroy())
        )
        socket.end(sent)
        const chunks = yield* Effect.tryPromise(() => socket.toArray())
        assert.isTrue(sent.equals(Buffer.concat(chunks)))
      }
    }))

  it.live("a receiver that does not read holds the sender back", () =>
    Effect.gen(function*() {
      const sink = yield* listening((socket) => socket.pause())
      const proxy = yield* FaultProxy.make({ host: "127.0.0.1", port: sink.port })
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => connect({ port: proxy.port, host: "127.0.0.1" })),
        (socket) => Effect.sync(() => socket.destroy())
      )
      const most = 256 * 1024 * 1024
      const sent = createHash("sha1")
      let bytes = 0
      const feed = () => {
        while (bytes < most && !socket.writableEnded) {
          const chunk = Buffer.alloc(64 * 1024, bytes / 1024)
          sent.update(chunk)
          bytes += chunk.length
          if (!socket.write(chunk)) return
        }
      }
      socket.on("drain", feed)
      feed()
      let before = -1
      const halted = Effect.sync(() => before === (before = bytes))
      assert.isTrue(yield* until(Effect.delay(halted, "100 millis"), "10 seconds"))
      assert.isBelow(bytes, most)
      socket.end()
      const [receiver] = sink.sockets
      const received = createHash("sha1")
      receiver?.on("data", (chunk) => received.update(chunk)).resume()
      yield* Effect.callback<void>((resume) => {
        receiver?.on("end", () => resume(Effect.void))
      }).pipe(Effect.timeout("10 seconds"))
      assert.strictEqual(received.digest("hex"), sent.digest("hex"))
    }))

  it.live("latency delays both directions", () =>
    Effect.gen(function*() {
      const { proxy, one } = yield* setUp
      yield* proxy.latency("60 millis")
      const [took, reply] = yield* Effect.timed(one.ask("a"))
      assert.strictEqual(reply, "re:a\n")
      assert.isAtLeast(Duration.toMillis(took), 119)
    }))

  it.live("cut(\"down\") loses the reply after the server executed, and heal resets who lost bytes", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      const idle = yield* connected(proxy.port)
      const lost = yield* proxy.cut("down")
      yield* one.send("executed")
      yield* lost.pipe(Effect.timeout("5 seconds"))
      assert.deepStrictEqual(server.lines, ["executed"])
      assert.strictEqual(yield* one.pending, 0)
      yield* proxy.heal
      assert.strictEqual(yield* one.next, "ECONNRESET")
      assert.strictEqual(yield* idle.ask("b"), "re:b\n")
    }))

  it.live("cut(\"up\") accepts a new connection and loses its request, while the way down stays open", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      assert.strictEqual(yield* one.ask("a"), "re:a\n")
      const lost = yield* proxy.cut("up")
      const late = yield* connected(proxy.port)
      yield* late.send("late")
      yield* lost.pipe(Effect.timeout("5 seconds"))
      server.push("news\n")
      assert.strictEqual(yield* one.next, "news\n")
      yield* proxy.heal
      assert.strictEqual(yield* one.ask("b"), "re:b\n")
      assert.deepStrictEqual(server.lines, ["a", "b"])
    }))

  it.live("cut(\"both\") loses both ways", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      const two = yield* connected(proxy.port)
      assert.strictEqual(yield* two.ask("a"), "re:a\n")
      const up = yield* proxy.cut("both")
      yield* one.send("x")
      yield* up.pipe(Effect.timeout("5 seconds"))
      yield* proxy.heal
      assert.strictEqual(yield* one.next, "ECONNRESET")
      const down = yield* proxy.cut("both")
      server.push("y")
      yield* down.pipe(Effect.timeout("5 seconds"))
      yield* proxy.heal
      assert.strictEqual(yield* two.next, "ECONNRESET")
      assert.deepStrictEqual(server.lines, ["a"])
    }))

  it.live("a fault meets the bytes that wait out a latency, too", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      const direct = yield* connected(server.port)
      yield* proxy.latency("50 millis")
      yield* one.send("in flight")
      assert.strictEqual(yield* direct.ask("later"), "re:later\n")
      const dropped = yield* proxy.dropMatching("up", (chunk) => chunk.includes("in flight"))
      yield* dropped.pipe(Effect.timeout("5 seconds"))
      assert.deepStrictEqual(server.lines, ["later"])
    }))

  it.live("the end of a stream is cut as well", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      assert.strictEqual(yield* one.ask("a"), "re:a\n")
      const lost = yield* proxy.cut("down")
      server.close()
      yield* lost.pipe(Effect.timeout("5 seconds"))
      yield* proxy.heal
      assert.strictEqual(yield* one.next, "ECONNRESET")
    }))

  it.live("dropMatching loses the chosen push and nothing else", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      assert.strictEqual(yield* one.ask("subscribe"), "re:subscribe\n")
      const dropped = yield* proxy.dropMatching("down", (chunk) => chunk.includes("wake"))
      server.push("wake 1\n")
      yield* dropped.pipe(Effect.timeout("5 seconds"))
      server.push("other\n")
      assert.strictEqual(yield* one.next, "other\n")
      yield* proxy.heal
      assert.strictEqual(yield* one.next, "ECONNRESET")
    }))

  it.live("dropReply loses the reply of the chosen request after the server executed it", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      const two = yield* connected(proxy.port)
      const dropped = yield* proxy.dropReply((chunk) => chunk.includes("chosen"))
      assert.strictEqual(yield* one.ask("first"), "re:first\n")
      yield* one.send("chosen")
      yield* dropped.pipe(Effect.timeout("5 seconds"))
      yield* one.send("after")
      yield* eventually(() => server.lines.includes("after"))
      assert.strictEqual(yield* two.ask("second"), "re:second\n")
      assert.strictEqual(yield* one.pending, 0)
      yield* proxy.reset
      assert.strictEqual(yield* one.next, "ECONNRESET")
      assert.deepStrictEqual(server.lines, ["first", "chosen", "after", "second"])
    }))

  it.live("reset breaks open connections and serves new ones", () =>
    Effect.gen(function*() {
      const { proxy, one } = yield* setUp
      assert.strictEqual(yield* one.ask("a"), "re:a\n")
      yield* proxy.reset
      assert.strictEqual(yield* one.next, "ECONNRESET")
      assert.strictEqual(yield* (yield* connected(proxy.port)).ask("b"), "re:b\n")
    }))

  it.live("refuse turns new connections away, keeps open ones, and heal takes them again", () =>
    Effect.gen(function*() {
      const { proxy, one } = yield* setUp
      yield* proxy.refuse
      assert.strictEqual(yield* (yield* client(proxy.port)).next, "ECONNREFUSED")
      assert.strictEqual(yield* one.ask("a"), "re:a\n")
      yield* proxy.heal
      assert.strictEqual(yield* (yield* connected(proxy.port)).ask("b"), "re:b\n")
      assert.strictEqual(yield* one.ask("c"), "re:c\n")
    }))

  it.live("a server that is not there resets the client", () =>
    Effect.gen(function*() {
      const { server, proxy, one } = yield* setUp
      assert.strictEqual(yield* one.ask("a"), "re:a\n")
      server.close()
      assert.strictEqual(yield* one.next, "end")
      assert.strictEqual(yield* (yield* connected(proxy.port)).next, "ECONNRESET")
    }))

  it.live("closing the scope resets what is open and frees the port", () =>
    Effect.gen(function*() {
      const server = yield* lineServer
      const outer = yield* Effect.scope
      const [port, one] = yield* Effect.scoped(Effect.gen(function*() {
        const proxy = yield* FaultProxy.make({ host: "127.0.0.1", port: server.port })
        return [proxy.port, yield* Scope.provide(connected(proxy.port), outer)] as const
      }))
      assert.strictEqual(yield* one.next, "ECONNRESET")
      assert.strictEqual(yield* (yield* client(port)).next, "ECONNREFUSED")
    }))
})
