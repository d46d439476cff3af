import { FaultProxy, Servers } from "@heddle/testkit"
import {
  barrierLaws,
  countDownLatchLaws,
  cronLaws,
  distributedSemaphoreLaws,
  kvLaws,
  leaderElectionLaws,
  membershipLaws,
  onceLaws,
  readWriteLockLaws
} from "@heddle/testkit/laws"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterAll, inject } from "vitest"
import { Etcd, EtcdKvStore, EtcdLeaseStore, EtcdOp } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Effect.runPromise(Scope.provide(effect, scope))

const leases = EtcdLeaseStore.layer({ url: inject("etcdUrl"), prefix: "patterns" })

const prefix = "laws"
const server = await inScope(Servers.etcd)
const proxy = await inScope(FaultProxy.make(server))
const etcd = await inScope(Effect.map(Layer.build(Etcd.layer({ url: server.url })), Context.get(Etcd.Etcd)))
const proxied = EtcdLeaseStore.layer({ url: `http://127.0.0.1:${proxy.port}`, prefix, requestTimeout: "2 seconds" })

/** A gauge of the server, by its name. */
const gauge = (name: string) =>
  Effect.map(
    Effect.promise(() => fetch(`${server.url}/metrics`).then((answer) => answer.text())),
    (metrics) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(metrics)?.[1])
  )

leaderElectionLaws("etcd", proxied, {
  worker: {
    module: new URL("fixtures/leaseWorker.ts", import.meta.url),
    env: { URL: server.url, PREFIX: prefix }
  },
  forget: (resource) => etcd.deleteRange(EtcdOp.prefix(`${prefix}/${encodeURIComponent(resource)}/`)),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal),
  watchers: gauge("etcd_debugging_mvcc_watcher_total")
})
membershipLaws("etcd", leases)
readWriteLockLaws("etcd", leases, { resizable: true })
distributedSemaphoreLaws("etcd", leases, { resizable: true })

const keys = EtcdKvStore.layer({ url: inject("etcdUrl"), prefix: "patterns" })

kvLaws("etcd", keys)
onceLaws("etcd", keys)
barrierLaws("etcd", keys)
countDownLatchLaws("etcd", keys)
cronLaws("etcd", Layer.merge(leases, keys))
