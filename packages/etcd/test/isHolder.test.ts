import { assert, describe, layer } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  DistributedLock,
  DistributedSemaphore,
  LeaderElection,
  type Lease,
  LeaseStore,
  ReadWriteLock
} from "heddle/coordination"
import { Etcd, EtcdLeaseStore, EtcdOp } from "../src/index.ts"

const connection = Layer.unwrap(Effect.map(Servers.etcd, (server) => Etcd.layer(server)))
const stores = Layer.provideMerge(EtcdLeaseStore.layerFrom(), connection)

/** One more process. */
const another = Layer.build(Layer.fresh(EtcdLeaseStore.layerFrom()))

/** Writes, in a transaction of the app's own, as who holds the lease. Gives whether it was written. */
const write = (lease: Pick<Lease.Lease, "id">, key: string, value: string) =>
  Effect.gen(function*() {
    const etcd = yield* Etcd.Etcd
    const guard = yield* EtcdLeaseStore.isHolder(lease)
    const done = yield* etcd.txn({ compare: [guard], success: [EtcdOp.put({ key, value })] })
    return done.succeeded
  })

const read = (key: string) =>
  Effect.gen(function*() {
    const { kvs } = yield* (yield* Etcd.Etcd).range({ key })
    return kvs[0] && EtcdOp.text(kvs[0].value)
  })

/** Ends the session of the store that holds the resource, as etcd does when its process is silent. */
const silence = (resource: string) =>
  Effect.gen(function*() {
    const etcd = yield* Etcd.Etcd
    const { kvs } = yield* etcd.range(EtcdOp.prefix(`heddle/${resource}/`))
    yield* etcd.leaseRevoke(kvs[0]?.lease ?? assert.fail("nobody holds"))
  })

layer(stores)((it) => {
  describe("a transaction on condition of isHolder", () => {
    it.effect("is made for the holder, and refused for one that has lost its lease without knowing", () =>
      Effect.gen(function*() {
        const zombie = yield* Effect.flatMap(
          LeaseStore.LeaseStore,
          (store) => store.claim({ resource: "account", ttl: "1 hour" })
        )
        assert.isTrue(yield* write(zombie, "account", "of the first"))
        yield* silence("account")
        const other = yield* another
        const next = yield* Context.get(other, LeaseStore.LeaseStore).claim({ resource: "account", ttl: "1 hour" })
        assert.isTrue(zombie.isAlive())
        assert.isFalse(yield* write(zombie, "account", "of a zombie"))
        assert.strictEqual(yield* read("account"), "of the first")
        assert.isTrue(yield* Effect.provide(write(next, "account", "of the next"), other))
        assert.isFalse(yield* write(zombie, "account", "of a zombie"))
        assert.strictEqual(yield* read("account"), "of the next")
      }))

    it.effect("is refused for a lease that nobody else has taken yet", () =>
      Effect.gen(function*() {
        const lease = yield* Effect.flatMap(LeaseStore.LeaseStore, (store) =>
          store.claim({ resource: "orphan", ttl: "1 hour" }))
        yield* silence("orphan")
        assert.isFalse(yield* write(lease, "orphan", "1"))
      }))

    it.effect("is refused for a lease that was given back, and for one of another store", () =>
      Effect.gen(function*() {
        const store = yield* LeaseStore.LeaseStore
        const back = yield* store.claim({ resource: "back" })
        yield* back.release
        const elsewhere = yield* Effect.flatMap(another, (other) =>
          Context.get(other, LeaseStore.LeaseStore).claim({ resource: "elsewhere" }))
        const memory = yield* Effect.flatMap(Layer.build(LeaseStore.layerMemory), (other) =>
          Context.get(other, LeaseStore.LeaseStore).claim({ resource: "back" }))
        for (const lease of [back, elsewhere, memory]) {
          assert.isFalse(yield* write(lease, "back", "1"))
        }
        assert.isUndefined(yield* read("back"))
      }))

    it.effect("is made by whoever holds a lock, permits or a part of them, or leads", () =>
      Effect.gen(function*() {
        const store = yield* LeaseStore.LeaseStore
        const lock = DistributedLock.withLock("a lock/1", { order: "cohort" })((lease) => write(lease, "made", "1"))
        assert.deepStrictEqual(yield* Effect.all([lock, lock], { concurrency: 2 }), [true, true])
        const semaphore = DistributedSemaphore.make({ key: "permits", permits: 5 })
        assert.isTrue(yield* semaphore.withPermits(3)((lease) => write(lease, "made", "1")))
        assert.isTrue(yield* ReadWriteLock.withRead("rows")((lease) => write(lease, "made", "1")))
        const term = yield* LeaderElection.campaign("fleet")
        assert.isTrue(yield* write(term, "made", "1"))
        const part = yield* store.claim({ resource: "part", permits: 3, limit: 3 })
        yield* part.shrink(1)
        assert.isTrue(yield* write(part, "made", "1"))
      }))
  })
})
