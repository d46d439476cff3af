import { Etcd, EtcdKvStore, EtcdLeaseStore } from "@heddle/etcd"
import * as Layer from "effect/Layer"

/** Who leads, and the last tick, live on etcd. Both stores share one connection. */
export const layer = (url: string) =>
  Layer.merge(EtcdLeaseStore.layerFrom(), EtcdKvStore.layerFrom()).pipe(Layer.provide(Etcd.layer({ url })))
