import { EtcdKvStore } from "@heddle/etcd"

/** The keys live on etcd. */
export const layer = (url: string) => EtcdKvStore.layer({ url })
