import { Lease, type LeaseBackend } from "heddle/coordination"
import type { EtcdError } from "../EtcdError.ts"

/** What a failed call to etcd is for a caller of the store. */
export const unavailable = (cause: EtcdError): Lease.StoreUnavailable =>
  new Lease.StoreUnavailable({ backend: "etcd", message: cause.message, cause })

/** A waiter's key was deleted, and it could not come into the line again. */
export const displaced = (
  answer: Extract<LeaseBackend.Answer, { readonly _tag: "Busy" | "Mismatch" }>
): Lease.StoreUnavailable => {
  const why = answer._tag === "Mismatch" ? `somebody else uses it with a limit of ${answer.limit}` : "it was in use"
  const message = `the claim lost its place in line, and when it asked again ${why}; see who deletes keys or leases`
  return new Lease.StoreUnavailable({ backend: "etcd", message })
}
