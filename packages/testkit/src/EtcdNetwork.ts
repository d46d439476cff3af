/**
 * An etcd cluster whose members can be cut off from each other, one at a time, while clients still reach all of them.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FaultProxy from "./FaultProxy.ts"
import { find } from "./internal/Binaries.ts"
import { program, startOn } from "./internal/etcd.ts"
import { type Server, ServerError } from "./Server.ts"

/**
 * A cluster, and the network between its members.
 *
 * @category models
 * @since 0.1.0
 */
export interface EtcdNetwork {
  readonly members: Arr.NonEmptyReadonlyArray<Server>
  /**
   * Cuts a member off from the others until the scope closes: `in`, it does not hear them; `out`, they do not hear it.
   * Clients still reach it. For one member at a time.
   */
  readonly cut: (member: Server, ways: "in" | "out" | "both") => Effect.Effect<void, never, Scope.Scope>
}

/**
 * Starts `count` members that reach each other through proxies.
 *
 * **Details**
 *
 * Members send to each other both ways on a connection, and large messages on another, so a way is cut by what is said at
 * the start of a connection: who opened it, and what for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (count: number): Effect.Effect<EtcdNetwork, ServerError, Scope.Scope> =>
  Effect.gen(function*() {
    const binary = yield* find(program)
    const proxies: Array<FaultProxy.FaultProxy> = []
    const through = (port: number) =>
      Effect.map(FaultProxy.make({ host: "127.0.0.1", port }), (proxy) => {
        proxies.push(proxy)
        return proxy.port
      })
    const members = yield* startOn(binary, Arr.makeBy(count, (n) => `etcd-${n + 1}`), through)
    const ids = yield* idsOf(members)

    const cut: EtcdNetwork["cut"] = (member, ways) => {
      const own = proxies[members.indexOf(member)]
      const others = proxies.filter((proxy) => proxy !== own)
      const from = `X-Server-From: ${ids.get(member.name)}\r\n`
      const opened = (chunk: string) =>
        chunk.includes(from) && (ways === "both" || chunk.startsWith("POST") === (ways === "out"))
      const strike = Effect.gen(function*() {
        yield* own?.cut(ways === "in" ? "up" : ways === "out" ? "down" : "both") ?? Effect.void
        for (const proxy of others) {
          yield* proxy.dropMatching("up", opened)
          yield* proxy.reset
        }
      })
      return Effect.acquireRelease(strike, () => Effect.forEach(proxies, (proxy) => proxy.heal, { discard: true }))
    }
    return { members, cut }
  })

/** What the members call themselves in the headers of their requests: hexadecimal, where the gateway writes decimal. */
const idsOf = (members: Arr.NonEmptyReadonlyArray<Server>): Effect.Effect<ReadonlyMap<string, string>, ServerError> =>
  Effect.tryPromise({
    try: async (signal) => {
      const [{ url }] = members
      const response = await globalThis.fetch(`${url}/v3/cluster/member/list`, { method: "POST", body: "{}", signal })
      const found = (await response.text()).matchAll(/"ID":"(\d+)","name":"([^"]+)"/g)
      return new Map(Array.from(found, ([, id = "", name = ""]) => [name, BigInt(id).toString(16)]))
    },
    catch: (error) =>
      new ServerError({ server: "etcd", reason: "Start", message: `the members could not be listed: ${String(error)}` })
  })
