import { EtcdLeaseStore } from "@heddle/etcd"

export const leases = (url: string) => EtcdLeaseStore.layer({ url })
