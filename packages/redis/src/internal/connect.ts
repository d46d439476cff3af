import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Lease } from "heddle/coordination"
import { Cluster, Redis } from "ioredis"
import type { ClusterSettings, Settings } from "./settings.ts"
import { unavailable } from "./unavailable.ts"
import { watchReplies } from "./watchReplies.ts"

/** A connection that fails what is not answered in time. */
export const newClient = (settings: Settings): Redis => {
  const client = new Redis(settings)
  watchReplies(client, settings.replyTimeout)
  return client
}

/** Connects to a server; closes the connection with the scope. */
export const connectOne = (
  settings: Settings,
  address: string
): Effect.Effect<Redis, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => newClient(settings)),
    (client) => Effect.sync(() => client.disconnect())
  ).pipe(Effect.tap((client) => connected(client, "error", address, settings.connectTimeout)))

/** Connects to all masters of a cluster; closes the connections with the scope. */
export const connectCluster = (
  { cluster, node, nodes }: ClusterSettings,
  address: string
): Effect.Effect<Cluster, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new Cluster([...nodes], cluster).on("+node", (client: Redis) => {
        heedAsking(client)
        watchReplies(client, node.replyTimeout)
      })
    ),
    (client) => Effect.sync(() => client.disconnect())
  ).pipe(
    Effect.tap((client) => connected(client, "node error", address, node.connectTimeout)),
    // A step that came while its node's connection is made would have to be sent again.
    Effect.tap((client) =>
      Effect.promise(() =>
        Promise.allSettled(client.nodes("master").map((node) => node.status === "wait" ? node.connect() : node.ping()))
      ).pipe(Effect.timeoutOption(node.connectTimeout))
    )
  )

/**
 * Before a command that a moving slot sends on ioredis sends `ASKING`, and forgets its promise: where the connection is lost then, that
 * would end the process.
 */
const heedAsking = (node: Redis): void => {
  const asking = node.asking.bind(node)
  node.asking = (...args) => {
    const asked = asking(...args)
    asked.catch(() => {})
    return asked
  }
}

interface Connection {
  connect(): Promise<void>
  on(event: string, listener: (error: unknown) => void): unknown
}

const connected = (
  client: Connection,
  reasons: "error" | "node error",
  address: string,
  connectTimeout: number
): Effect.Effect<void, Lease.StoreUnavailable> =>
  Effect.callback<void, Lease.StoreUnavailable>((resume) => {
    let reason: unknown
    // ioredis tells the reason there alone, and an error event that nobody listens to ends the process.
    client.on("error", (error) => {
      if (reasons === "error") reason = error
    })
    // What a node says counts for more than that its connection was closed then.
    client.on("node error", (error) => {
      if (reason === undefined || !isClosing(error)) reason = error
    })
    client.connect().then(
      () => resume(Effect.void),
      (error: unknown) => resume(Effect.fail(unavailable(address, reason ?? error)))
    )
  }).pipe(Effect.timeoutOrElse({
    duration: connectTimeout,
    orElse: () => Effect.fail(unavailable(address, `connect timeout of ${connectTimeout} ms`))
  }))

const isClosing = (error: unknown): boolean => error instanceof Error && error.message === "Connection is closed."
