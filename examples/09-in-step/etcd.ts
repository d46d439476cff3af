import { EtcdKvStore } from "@heddle/etcd"

/** The keys live on etcd. */
export const layer = EtcdKvStore.layer({ url: process.env["HEDDLE_ETCD_URL"] ?? "http://127.0.0.1:2379" })
