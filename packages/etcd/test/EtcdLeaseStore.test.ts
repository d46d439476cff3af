import { FaultProxy, Servers } from "@heddle/testkit"
import { leaseStoreLaws } from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterAll } from "vitest"
import { Etcd, EtcdLeaseStore, EtcdOp } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))

const prefix = "laws"
const server = await inScope(Servers.etcd)
const proxy = await inScope(FaultProxy.make(server))
const proxied = `http://127.0.0.1:${proxy.port}`
const etcd = await inScope(Effect.map(Layer.build(Etcd.layer({ url: server.url })), Context.get(Etcd.Etcd)))

const room = (resource: string) => EtcdOp.prefix(`${prefix}/${encodeURIComponent(resource)}/`)

leaseStoreLaws("etcd", EtcdLeaseStore.layer({ url: proxied, prefix, requestTimeout: "2 seconds" }), {
  shared: true,
  worker: {
    module: new URL("./fixtures/leaseWorker.ts", import.meta.url),
    env: { URL: server.url, PREFIX: prefix }
  },
  forget: (resource) => etcd.deleteRange(room(resource)),
  wipe: etcd.deleteRange(EtcdOp.prefix(`${prefix}/`)),
  restart: server.restart(),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal),
  remnants: Effect.map(etcd.range({ ...EtcdOp.prefix(`${prefix}/`), countOnly: true }), ({ count }) => Number(count))
})
