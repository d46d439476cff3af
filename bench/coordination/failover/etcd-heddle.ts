/** Heddle's election on etcd. */
import { EtcdLeaseStore } from "@heddle/etcd"
import { elected } from "./heddle.ts"

export const sit = elected((url) => EtcdLeaseStore.layer({ url }))
