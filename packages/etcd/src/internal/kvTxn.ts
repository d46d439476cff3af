import * as Effect from "effect/Effect"
import type { KvBackend } from "heddle/coordination"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as EtcdOp from "../EtcdOp.ts"

/**
 * Checks and writes in one transaction, with a lease of etcd or none for each write. Fails with `NotFound`, and writes nothing,
 * when etcd does not know a lease.
 */
export const commit = (
  etcd: Etcd["Service"],
  start: string,
  { checks, writes }: KvBackend.Commit,
  leases: ReadonlyArray<bigint | undefined>
): Effect.Effect<KvBackend.Outcome, EtcdError> =>
  Effect.map(
    etcd.txn({
      compare: checks.map(({ key, revision }) => EtcdOp.compare(start + key, "modRevision", "=", revision)),
      success: writes.map((write, index): EtcdOp.Op<EtcdOp.PutResult | EtcdOp.DeleteRangeResult> =>
        write._tag === "Put"
          ? EtcdOp.put({ key: start + write.key, value: write.value, lease: leases[index] })
          : EtcdOp.deleteRange({ key: start + write.key })
      ),
      failure: checks.map(({ key }) => EtcdOp.range({ key: start + key, keysOnly: true }))
    }),
    ({ responses, revision, succeeded }): KvBackend.Outcome => {
      if (succeeded) {
        const deleted = responses.reduce((sum, done) => sum + ("deleted" in done ? Number(done.deleted) : 0), 0)
        return { _tag: "Committed", revision, deleted }
      }
      const actual = responses.map(({ kvs }) => kvs[0]?.modRevision ?? 0n)
      const at = checks.findIndex((check, index) => actual[index] !== check.revision)
      return { _tag: "Conflict", key: checks[at]?.key ?? "", actual: actual[at] ?? 0n }
    }
  )
