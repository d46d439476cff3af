import { EtcdLeaseStore } from "@heddle/etcd"

/** The lock lives on etcd. */
export const layer = (url: string) => EtcdLeaseStore.layer({ url })
