/**
 * What can go wrong between a program and etcd.
 *
 * Every error of the gRPC client is mapped to one of these once, where the call ends.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Why a call to etcd failed, and so what to do next.
 *
 * - `Unavailable`: no connection, the connection broke, or etcd has no leader. Try again; a write may have happened.
 * - `DeadlineExceeded`: no answer within `requestTimeout`. Try again; a write may have happened.
 * - `Unauthenticated`: the user name, the password or the token was refused. Correct the layer's options.
 * - `PermissionDenied`: the user's roles do not cover the keys. Grant the role.
 * - `NotFound`: the lease has ended or was revoked. Grant another.
 * - `Compacted`: the revision that a read asked for is gone. Read the present state.
 * - `Exhausted`: etcd is overloaded, or its space is used up. Wait, or compact and defragment it.
 * - `Refused`: the request is wrong. The same request will be refused again.
 * - `Closed`: the layer's scope has been closed.
 * - `Unknown`: anything else; `cause` tells.
 *
 * @since 0.1.0
 * @category models
 */
export type Reason = typeof Reason.Type

/**
 * The schema of {@link Reason}.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Reason = Schema.Literals([
  "Unavailable",
  "DeadlineExceeded",
  "Unauthenticated",
  "PermissionDenied",
  "NotFound",
  "Compacted",
  "Exhausted",
  "Refused",
  "Closed",
  "Unknown"
])

/**
 * A call to etcd failed: `reason` says what to do next, `message` says it in words.
 *
 * @since 0.1.0
 * @category errors
 */
export class EtcdError extends Schema.TaggedError<EtcdError>()("EtcdError", {
  reason: Reason,
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * A watch asked for events that etcd has already thrown away.
 *
 * Events before `compactRevision` are lost to it, and deletions at it. Read the present state, then watch from that answer's
 * revision + 1.
 *
 * @since 0.1.0
 * @category errors
 */
export class Compacted extends Schema.TaggedError<Compacted>()("Compacted", {
  compactRevision: Schema.BigInt
}) {
  override readonly message = `The events before revision ${this.compactRevision} have been compacted: ` +
    "read the present state, and watch from its revision + 1"
}
