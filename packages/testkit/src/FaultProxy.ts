/**
 * A TCP proxy on loopback that breaks the network between a client and a server on demand.
 *
 * It passes bytes unchanged and in order, with back-pressure, until a verb says otherwise. `up` is the way from the client
 * to the server, `down` the way back.
 *
 * **Gotchas**
 *
 * TCP has no messages. What the verbs decide on is a chunk: the bytes that one read brought. A small request or push that
 * travels alone is one chunk; a pipeline may be one chunk or many.
 *
 * A stream that lost bytes in the middle means nothing to its reader, so {@link FaultProxy.heal} resets the connections that
 * lost any.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { connect, createServer, type Server, type Socket } from "node:net"
import * as Ports from "./internal/Ports.ts"
import { pump } from "./internal/pump.ts"

/**
 * The way from the client to the server, or the way back.
 *
 * @since 0.1.0
 * @category models
 */
export type Direction = "up" | "down"

/**
 * The proxy's address, and its faults. Faults add up until `heal`.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultProxy {
  /** `127.0.0.1`. */
  readonly host: string
  /** The same for the whole life of the proxy, also while it refuses. */
  readonly port: number
  /** How many client connections are open through the proxy now. */
  readonly connections: Effect.Effect<number>
  /** Delays every byte by this much in each direction, so that a round trip takes twice as long. 0 by default. */
  readonly latency: (delay: Duration.Input) => Effect.Effect<void>
  /**
   * Silently drops what comes that way, also the end of the stream. Connections stay open; new ones are accepted and just as
   * silent. Bytes that wait out a latency are lost too, those already handed to the system are not.
   *
   * The inner effect completes when the first bytes or end have been dropped.
   */
  readonly cut: (direction: Direction | "both") => Effect.Effect<Effect.Effect<void>>
  /**
   * Drops each chunk that the predicate picks and passes the others, for example a push on its way to a subscriber. The
   * predicate sees the chunk as text with one character a byte (latin1), once, in the order of arrival.
   *
   * The inner effect completes when the first chunk has been dropped.
   */
  readonly dropMatching: (
    direction: Direction,
    predicate: (chunk: string) => boolean
  ) => Effect.Effect<Effect.Effect<void>>
  /**
   * Lets a request that the predicate picks through to the server and then drops all that comes back on its connection: the
   * reply is lost after the server has executed.
   *
   * The inner effect completes when the first reply has been dropped, so the server has executed, or has hung up.
   */
  readonly dropReply: (predicate: (chunk: string) => boolean) => Effect.Effect<Effect.Effect<void>>
  /** Resets (RST) all connections now. New ones are served as before. */
  readonly reset: Effect.Effect<void>
  /** Refuses new connections. Open ones go on. */
  readonly refuse: Effect.Effect<void>
  /**
   * Ends all faults. Connections that lost bytes, or the end of a stream, are reset; the others go on. What was lost stays
   * lost.
   */
  readonly heal: Effect.Effect<void>
}

/**
 * Puts a proxy in front of a server until the scope closes, which resets what is still open.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: (
  target: { readonly host: string; readonly port: number }
) => Effect.Effect<FaultProxy, never, Scope.Scope> = Effect.fnUntraced(function*(target) {
  const port = yield* Ports.reserve
  const open = new Set<Connection>()
  let faults = noFaults()
  let listener: Server | undefined

  const accept = (client: Socket): void => {
    const server = connect({ ...target, noDelay: true, allowHalfOpen: true })
    client.setNoDelay(true)
    const connection: Connection = { sockets: [client, server], lost: false, unanswered: undefined }
    const loses = (direction: Direction) => (chunk: Buffer | undefined) => isLost(faults, connection, direction, chunk)
    open.add(connection)
    pump(client, server, () => faults.delay, loses("up"))
    pump(server, client, () => faults.delay, loses("down"))
    for (const socket of connection.sockets) {
      socket.once("close", () => {
        if (client.destroyed && server.destroyed) open.delete(connection)
      })
    }
  }

  const listen = Effect.callback<void>((resume) => {
    if (listener !== undefined) return resume(Effect.void)
    listener = createServer({ allowHalfOpen: true }, accept)
    listener.once("error", (error) => resume(Effect.die(error)))
    listener.listen(port, "127.0.0.1", () => resume(Effect.void))
  })

  const refuse = Effect.sync(() => {
    listener?.close()
    listener = undefined
  })

  const resetAll = (pick: (connection: Connection) => boolean) =>
    Effect.sync(() => {
      for (const { sockets } of [...open].filter(pick)) for (const socket of sockets) socket.resetAndDestroy()
    })

  const arm = (fault: "drops" | "replies", picks: Rule["picks"]) =>
    Effect.sync(() => {
      const dropped = Deferred.makeUnsafe<void>()
      faults[fault].push({ picks, dropped })
      return Deferred.await(dropped)
    })

  yield* Effect.acquireRelease(listen, () => Effect.andThen(refuse, resetAll(() => true)))

  return {
    host: "127.0.0.1",
    port,
    connections: Effect.sync(() => [...open].filter(({ sockets: [client] }) => !client.destroyed).length),
    latency: (delay) =>
      Effect.sync(() => {
        faults.delay = Duration.toMillis(delay)
      }),
    cut: (direction) => arm("drops", (way) => direction === "both" || way === direction),
    dropMatching: (direction, predicate) =>
      arm("drops", (way, chunk) => way === direction && chunk !== undefined && predicate(chunk)),
    dropReply: (predicate) => arm("replies", (way, chunk) => way === "up" && chunk !== undefined && predicate(chunk)),
    reset: resetAll(() => true),
    refuse,
    heal: Effect.suspend(() => {
      faults = noFaults()
      for (const connection of open) connection.unanswered = undefined
      return Effect.andThen(resetAll((connection) => connection.lost), listen)
    })
  }
})

interface Rule {
  /** Whether it is meant for this chunk as text or, without one, for this end of a stream. */
  readonly picks: (direction: Direction, chunk: string | undefined) => boolean
  readonly dropped: Deferred.Deferred<void>
}

interface Faults {
  delay: number
  readonly drops: Array<Rule>
  readonly replies: Array<Rule>
}

const noFaults = (): Faults => ({ delay: 0, drops: [], replies: [] })

interface Connection {
  readonly sockets: readonly [client: Socket, server: Socket]
  lost: boolean
  /** The rule that silences the server here, once it has picked a request. */
  unanswered: Rule | undefined
}

/** Whether a chunk is lost, or, without one, the end of the stream; if so, the connection is marked. */
const isLost = (
  { drops, replies }: Faults,
  connection: Connection,
  direction: Direction,
  chunk: Buffer | undefined
): boolean => {
  if (drops.length + replies.length === 0) return false
  const text = chunk?.toString("latin1")
  const silenced = direction === "down" ? connection.unanswered : undefined
  const rule = silenced ?? drops.find((rule) => rule.picks(direction, text))
  if (rule === undefined) {
    connection.unanswered ??= replies.find((rule) => rule.picks(direction, text))
    return false
  }
  // Marked first: who waits for the drop runs at once, and may heal.
  connection.lost = true
  Deferred.doneUnsafe(rule.dropped, Effect.void)
  return true
}
