import { EtcdLeaseStore } from "@heddle/etcd"

/** The group lives on etcd. */
export const layer = EtcdLeaseStore.layer({ url: process.env["HEDDLE_ETCD_URL"] ?? "http://localhost:2379" })
