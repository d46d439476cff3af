import type { Server } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import { Redis } from "ioredis"

/** A node of a cluster, and a connection beside all that is tested. */
export interface Node {
  readonly server: Server.Server
  readonly client: Redis
}

export const nodeOf = (server: Server.Server) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Redis(server.url).on("error", () => {})),
      (client) => Effect.sync(() => client.disconnect())
    ),
    (client): Node => ({ server, client })
  )

/** Lets a slot begin to move to another node, as resharding does: a key is asked for there once it is not here any more. */
export const open = (slot: number, from: Node, to: Node) =>
  Effect.promise(async () => {
    const [source, target] = await Promise.all([from, to].map(({ client }) => client.cluster("MYID")))
    await to.client.cluster("SETSLOT", slot, "IMPORTING", String(source))
    await from.client.cluster("SETSLOT", slot, "MIGRATING", String(target))
  })

export const carry = (from: Node, to: Node, ...keys: ReadonlyArray<string>) =>
  Effect.promise(() => from.client.migrate("127.0.0.1", to.server.port, "", 0, 5000, "KEYS", ...keys))

/** Carries what is still there, and tells all whose the slot is now. */
export const close = (slot: number, from: Node, to: Node, all: ReadonlyArray<Node>) =>
  Effect.promise(async () => {
    for (;;) {
      const keys = await from.client.cluster("GETKEYSINSLOT", slot, 100)
      if (keys.length === 0) break
      await from.client.migrate("127.0.0.1", to.server.port, "", 0, 5000, "KEYS", ...keys)
    }
    const target = await to.client.cluster("MYID")
    for (const { client } of [to, from, ...all]) await client.cluster("SETSLOT", slot, "NODE", String(target))
  })

/** Moves a slot with all its keys. */
export const move = (slot: number, from: Node, to: Node, all: ReadonlyArray<Node>) =>
  Effect.andThen(open(slot, from, to), close(slot, from, to, all))
