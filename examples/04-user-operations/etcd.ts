import { EtcdLeaseStore } from "@heddle/etcd"

/** The locks live on etcd. */
export const layer = EtcdLeaseStore.layer({ url: process.env["HEDDLE_ETCD_URL"] ?? "http://localhost:2379" })
