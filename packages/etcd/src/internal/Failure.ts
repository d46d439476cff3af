/** Maps a gRPC status to an `EtcdError`: the one place that knows both. */
import { status } from "@grpc/grpc-js"
import { EtcdError } from "../EtcdError.ts"
import type { Reason } from "../EtcdError.ts"

/** What is left of a failed call. */
export interface Status {
  readonly code: number
  readonly details: string
}

export const fromStatus = (cause: Status): EtcdError => of(reasonOf(cause), cause.details, cause)

export const of = (reason: Reason, details: string, cause?: unknown): EtcdError =>
  new EtcdError({ reason, message: `${details}: ${advice[reason]}`, ...(cause === undefined ? {} : { cause }) })

/** Whether nothing was done because the member that was asked had no leader, or got another before a read was confirmed. */
export const isLeaderless = ({ message, reason }: EtcdError): boolean =>
  reason === "Unavailable" && /^etcdserver: (no leader|leader changed)/.test(message)

const reasonOf = ({ code, details }: Status): Reason => {
  switch (code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.ABORTED:
      return "Unavailable"
    case status.DEADLINE_EXCEEDED:
      return "DeadlineExceeded"
    case status.UNAUTHENTICATED:
      return "Unauthenticated"
    case status.PERMISSION_DENIED:
      return "PermissionDenied"
    case status.NOT_FOUND:
      return "NotFound"
    case status.RESOURCE_EXHAUSTED:
      return details.includes("larger than max") ? "Refused" : "Exhausted"
    case status.OUT_OF_RANGE:
      return details.includes("compacted") ? "Compacted" : "Refused"
    // A wrong password, and a token that is too old or missing, come as an invalid argument.
    case status.INVALID_ARGUMENT:
      return credentials.test(details) ? "Unauthenticated" : "Refused"
    case status.FAILED_PRECONDITION:
    case status.ALREADY_EXISTS:
    case status.UNIMPLEMENTED:
      return "Refused"
    default:
      return "Unknown"
  }
}

const credentials = /authentication failed|user name is empty|revision of auth store is old/

const advice: Record<Reason, string> = {
  Unavailable: "etcd cannot be reached or has no leader; try again, a write may have happened",
  DeadlineExceeded: "etcd did not answer in time; try again, a write may have happened",
  Unauthenticated: "etcd refused the credentials; correct the layer's username and password",
  PermissionDenied: "the user's roles do not cover these keys; grant the role",
  NotFound: "the lease has ended or was revoked; grant another",
  Compacted: "that revision is gone; read the present state",
  Exhausted: "etcd is overloaded or its space is used up; wait, or compact and defragment it",
  Refused: "the request is wrong, and would be refused again",
  Closed: "the Etcd layer has been closed; keep its scope open as long as it is used",
  Unknown: "see the cause"
}
