import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { KvStore, LeaseStore } from "heddle/coordination"
import type { Fault, Subject } from "../Chaos.ts"
import * as FaultProxy from "../FaultProxy.ts"
import type { Spec } from "../internal/WorkerProcess.ts"
import type { Server, ServerError } from "../Server.ts"

/**
 * The addresses of the servers, in their order.
 *
 * @category models
 * @since 0.1.0
 */
export type Urls = Arr.NonEmptyReadonlyArray<string>

/**
 * Stores on real servers.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions {
  readonly name: string
  /** One server, or several that belong together: of those one at a time is harmed. More ways to harm them. */
  readonly start: Effect.Effect<
    { readonly servers: Arr.NonEmptyReadonlyArray<Server>; readonly faults?: ReadonlyArray<Fault> },
    ServerError,
    Scope.Scope
  >
  readonly leases?: ((urls: Urls) => Layer.Layer<LeaseStore.LeaseStore, unknown>) | undefined
  readonly keys?: ((urls: Urls) => Layer.Layer<KvStore.KvStore | KvStore.KvTransactions, unknown>) | undefined
  /** A module that calls `LeaseWorker.main`, and the environment that tells it the addresses. */
  readonly worker?: ((urls: Urls) => Spec) | undefined
  /**
   * What is still promised when one of the servers comes back without its data: all, or no more than that tokens grow.
   * Default: it never does.
   */
  readonly wiped?: "all" | "tokens" | undefined
  /** Whether claims are for a whole resource only, and say nothing of themselves. */
  readonly exclusive?: true | undefined
  /** Whether clients find the servers by themselves, past every proxy: no network is harmed then. */
  readonly direct?: true | undefined
}

const clients = ["client 1", "client 2", "client 3"]
const processes = ["process 1", "process 2"]

/**
 * A subject with three clients and two processes, each behind proxies of its own unless `direct`. Servers are killed, stopped
 * and restarted; the network of each client is cut, slowed, refused or reset.
 *
 * @category constructors
 * @since 0.1.0
 */
export const onServers = (options: ServerOptions): Subject => ({
  name: options.name,
  world: Effect.gen(function*() {
    const started = yield* options.start
    const { servers } = started
    const faults = [...servers.flatMap((server) => serverFaults(server, options.wiped)), ...started.faults ?? []]
    const urls = Arr.map(servers, (server) => server.url)
    const behind = (name: string) =>
      Effect.gen(function*() {
        if (options.direct === true) return urls
        const proxies = yield* Effect.forEach(servers, (server) => FaultProxy.make(server))
        faults.push(...networkFaults(name, servers, proxies))
        return Arr.map(servers, (server, n) => through(server, proxies[n]))
      })
    const storesAt = (urls: Urls) => ({ leases: options.leases?.(urls), keys: options.keys?.(urls) })
    const { worker } = options
    return {
      clients: (yield* Effect.forEach(clients, behind)).map(storesAt),
      direct: storesAt(urls),
      workers: worker === undefined ? [] : (yield* Effect.forEach(processes, behind)).map(worker),
      faults,
      exclusive: options.exclusive
    }
  })
})

const through = (server: Server, proxy: FaultProxy.FaultProxy | undefined): string => {
  const url = new URL(server.url)
  url.port = String(proxy?.port)
  return url.href
}

const serverFaults = (server: Server, wiped: ServerOptions["wiped"]): Array<Fault> => {
  const { name } = server
  const up = Effect.orDie(server.restart())
  const strike = (effect: Effect.Effect<void, ServerError>, heal: Effect.Effect<void, ServerError>) =>
    Effect.acquireRelease(Effect.orDie(effect), () => Effect.orDie(heal))
  return [
    { name: `kill ${name}`, lane: "servers", strike: strike(server.kill, up) },
    { name: `stop ${name}`, lane: "servers", strike: strike(server.stop, server.continue) },
    { name: `restart ${name}`, lane: "servers", strike: up },
    ...(wiped === undefined ? [] : [
      {
        name: `restart ${name} without its data`,
        lane: "servers",
        forgets: wiped === "tokens" ? true : undefined,
        strike: Effect.orDie(server.restart({ keepData: false }))
      }
    ] as const)
  ]
}

const networkFaults = (
  client: string,
  servers: ReadonlyArray<Server>,
  proxies: ReadonlyArray<FaultProxy.FaultProxy>
): ReadonlyArray<Fault> => {
  const targets = [
    { name: client, proxies },
    ...(proxies.length === 1
      ? []
      : proxies.map((proxy, n) => ({ name: `${client} at ${servers[n]?.name}`, proxies: [proxy] })))
  ]
  return targets.flatMap(({ name, proxies }) => {
    const each = (act: (proxy: FaultProxy.FaultProxy) => Effect.Effect<unknown>) =>
      Effect.forEach(proxies, act, { discard: true })
    const fault = (what: string, act: (proxy: FaultProxy.FaultProxy) => Effect.Effect<unknown>): Fault => ({
      name: `${what} ${name}`,
      lane: "network",
      strike: Effect.acquireRelease(each(act), () => each((proxy) => proxy.heal))
    })
    const delay = (millis: number): Fault => ({
      name: `delay ${name} by ${millis} ms each way`,
      lane: "delays",
      strike: Effect.acquireRelease(each((proxy) => proxy.latency(millis)), () => each((proxy) => proxy.latency(0)))
    })
    return [
      fault("cut off", (proxy) => proxy.cut("both")),
      fault("cut the requests of", (proxy) => proxy.cut("up")),
      fault("cut the answers to", (proxy) => proxy.cut("down")),
      fault("refuse", (proxy) => Effect.andThen(proxy.refuse, proxy.reset)),
      fault("reset", (proxy) => proxy.reset),
      delay(20),
      delay(200)
    ]
  })
}
