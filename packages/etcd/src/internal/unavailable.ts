import { Lease } from "heddle/coordination"
import type { EtcdError } from "../EtcdError.ts"

/** What a failed call to etcd is for a caller of a store. */
export const unavailable = (cause: EtcdError): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({ backend: "etcd", message: cause.message, cause })
