/**
 * Heddle's stores on etcd, through gRPC.
 *
 * @since 0.1.0
 */
export * as Etcd from "./Etcd.ts"
export * as EtcdError from "./EtcdError.ts"
export * as EtcdKvStore from "./EtcdKvStore.ts"
export * as EtcdLeaseStore from "./EtcdLeaseStore.ts"
export * as EtcdOp from "./EtcdOp.ts"
