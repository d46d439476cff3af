import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type { KvBackend, Lease } from "heddle/coordination"
import type { Etcd } from "../Etcd.ts"
import type { EtcdError } from "../EtcdError.ts"
import * as Keys from "./kvKeys.ts"
import { Ttls } from "./kvTtls.ts"
import * as Txn from "./kvTxn.ts"
import * as Watch from "./kvWatch.ts"
import { proved } from "./proved.ts"
import { unavailable } from "./unavailable.ts"

/** The steps of a key-value store on this connection. */
export const kvSteps = (
  etcd: Etcd["Service"],
  prefix: string,
  now: () => number,
  errand: (effect: Effect.Effect<unknown, unknown>) => Fiber.Fiber<unknown, unknown>
): KvBackend.Steps => {
  const start = Keys.start(prefix)
  const ttls = new Ttls(etcd, now)

  const leaseOf = (write: KvBackend.Write): Effect.Effect<bigint | undefined, EtcdError> => {
    if (write._tag === "Delete") return Effect.undefined
    if (write.ttl !== undefined) return ttls.get(write.ttl)
    return Effect.succeed(write.lease === undefined ? undefined : BigInt(write.lease))
  }

  const commit = (asked: KvBackend.Commit): Effect.Effect<KvBackend.Outcome, EtcdError> =>
    Effect.flatMap(Effect.forEach(asked.writes, leaseOf), (leases) =>
      Effect.catchIf(
        Txn.commit(etcd, start, asked, leases),
        (error) => error.reason === "NotFound",
        () => {
          ttls.forget(leases)
          return Effect.flatMap(unknownOf(asked), (lease) =>
            lease === undefined ? commit(asked) : Effect.succeed<KvBackend.Outcome>({ _tag: "Unleased", lease }))
        }
      ))

  /** Which of the leases that the caller named has ended. etcd does not say. */
  const unknownOf = ({ writes }: KvBackend.Commit): Effect.Effect<string | undefined, EtcdError> =>
    Effect.map(
      Effect.forEach(
        new Set(writes.flatMap((write) => write._tag === "Put" ? write.lease ?? [] : [])),
        (id) => Effect.map(isAlive(id), (alive) => alive ? [] : [id]),
        { concurrency: "unbounded" }
      ),
      (unknown) => unknown.flat()[0]
    )

  const isAlive = (id: string): Effect.Effect<boolean, EtcdError> =>
    Effect.catchIf(
      Effect.as(etcd.leaseKeepAlive(BigInt(id)), true),
      (error: EtcdError) => error.reason === "NotFound",
      () => Effect.succeed(false)
    )

  const revoke = (id: string): Effect.Effect<void, EtcdError> =>
    Effect.catchIf(again(etcd.leaseRevoke(BigInt(id))), (error) => error.reason === "NotFound", () => Effect.void)

  const ask = <A>(effect: Effect.Effect<A, EtcdError>): Effect.Effect<A, Lease.StoreUnavailable> =>
    Effect.mapError(effect, unavailable)

  return {
    get: (key) =>
      ask(Effect.map(again(etcd.range({ key: start + key })), ({ kvs: [kv] }) => kv && Keys.entryOf(start, kv))),
    range: (prefix, after, limit) =>
      ask(Effect.map(
        again(etcd.range({ ...Keys.rangeOf(start, prefix, after), limit })),
        ({ kvs, more, revision }) => ({ entries: kvs.map((kv) => Keys.entryOf(start, kv)), revision, more })
      )),
    commit: (asked) => ask(commit(asked)),
    grant: (ttl) =>
      ask(again(Effect.suspend(() => {
        const sent = now()
        return Effect.map(etcd.leaseGrant(ttl), (lease) => {
          const ttl = Duration.toMillis(lease.ttl)
          return { id: String(lease.id), ttl, until: sent + proved(ttl) }
        })
      }))),
    renew: (leases) =>
      ask(Effect.forEach(leases, ({ id, ttl }) => {
        const sent = now()
        return Effect.map(isAlive(id), (alive) => alive ? sent + proved(ttl) : undefined)
      }, { concurrency: "unbounded" })),
    revoke: (id) => ask(revoke(id)),
    revokeUnsafe: (id) => void errand(revoke(id)),
    watch: (target, from) => Watch.watch(etcd, start, target, from)
  }
}

/** A call that may be carried out twice, made again for a second: so long a member restarts, or the cluster has no leader. */
const again = <A>(call: Effect.Effect<A, EtcdError>): Effect.Effect<A, EtcdError> =>
  Effect.retry(call, {
    while: ({ reason }) => reason === "Unavailable",
    schedule: Schedule.spaced("50 millis"),
    times: 20
  })
