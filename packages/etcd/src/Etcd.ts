/**
 * A connection to etcd: keys, transactions, leases and watches.
 *
 * It speaks etcd's v3 gRPC interface to one or more members. Calls go to the members in turn, past those that have no leader.
 * Each call has a deadline, and interruption cancels it. All leases are kept alive on one stream and all watches share another;
 * both are opened when they are first needed, and again when they break.
 *
 * @since 0.1.0
 */
import type { ChannelCredentials } from "@grpc/grpc-js"
import { credentials } from "@grpc/grpc-js"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { checkServerIdentity } from "node:tls"
import type { Compacted, EtcdError } from "./EtcdError.ts"
import type {
  DeleteRangeRequest,
  DeleteRangeResult,
  Op,
  PutRequest,
  PutResult,
  RangeRequest,
  RangeResult,
  TxnRequest,
  TxnResult
} from "./EtcdOp.ts"
import * as Channel from "./internal/Channel.ts"
import * as Failure from "./internal/Failure.ts"
import * as KeepAlives from "./internal/KeepAlives.ts"
import * as Proto from "./internal/proto/etcd_pb.ts"
import * as Watches from "./internal/Watches.ts"
import * as Wire from "./internal/Wire.ts"

export type { Lease } from "./internal/KeepAlives.ts"
export type { Watch, WatchBatch, WatchEvent, WatchRequest } from "./internal/Watches.ts"

/**
 * What a member says of itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface Status {
  /** The member's version, like `"3.4.23"`. */
  readonly version: string
  /** The id of the member that answered. */
  readonly member: bigint
  /** The id of the member that it believes to lead, 0 for none. */
  readonly leader: bigint
  readonly revision: bigint
  readonly raftTerm: bigint
}

/**
 * A connection to etcd.
 *
 * **Interruption**
 *
 * An interrupted call is cancelled and returns at once. A write may have happened all the same, and an interrupted
 * `leaseGrant` may leave a lease behind that ends by itself after its ttl.
 *
 * @since 0.1.0
 * @category services
 */
export class Etcd extends Context.Service<Etcd, {
  /** Reads keys. */
  readonly range: (request: RangeRequest) => Effect.Effect<RangeResult, EtcdError>
  /** Writes a key. */
  readonly put: (request: PutRequest) => Effect.Effect<PutResult, EtcdError>
  /** Deletes keys. */
  readonly deleteRange: (request: DeleteRangeRequest) => Effect.Effect<DeleteRangeResult, EtcdError>
  /** Compares, then reads and writes, in one atomic step and one round trip. Build the parts with `EtcdOp`. */
  readonly txn: <const S extends ReadonlyArray<Op<unknown>> = [], const F extends ReadonlyArray<Op<unknown>> = []>(
    request: TxnRequest<S, F>
  ) => Effect.Effect<TxnResult<S, F>, EtcdError>
  /** Grants a lease. etcd counts in whole seconds, so `ttl` is rounded up, and may grant more than was asked. */
  readonly leaseGrant: (ttl: Duration.Input) => Effect.Effect<KeepAlives.Lease, EtcdError>
  /** Ends a lease and deletes its keys. A lease that has ended fails with `NotFound`. */
  readonly leaseRevoke: (id: bigint) => Effect.Effect<void, EtcdError>
  /**
   * Renews a lease for its whole ttl. A lease that has ended fails with `NotFound`.
   *
   * If the stream breaks, the renewal is sent again on the next one, until `requestTimeout` is over; `sentAt` is the
   * instant of the one that was answered.
   */
  readonly leaseKeepAlive: (id: bigint) => Effect.Effect<KeepAlives.Lease, EtcdError>
  /**
   * Watches keys from the moment it returns, until its scope closes.
   *
   * After a broken connection the watch goes on from the first revision that it has not reported. If etcd no longer has
   * that revision, it fails with `Compacted`.
   *
   * **Gotchas**
   *
   * Batches that nobody takes stay in memory: one slow watch does not hold up the others.
   */
  readonly watch: (
    request: Watches.WatchRequest
  ) => Effect.Effect<Watches.Watch, EtcdError | Compacted, Scope.Scope>
  /** Asks one of the members for its status. */
  readonly status: Effect.Effect<Status, EtcdError>
}>()("heddle/Etcd") {}

/**
 * How to reach etcd.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The members, each as `http://host:port` or `https://host:port`, or all of them as `etcd://a:2379,b:2379,c:2379` (`etcds`
   * for TLS); a host may be a name or an address.
   */
  readonly url: string | ReadonlyArray<string>
  /** The user to log in as. Default: none. */
  readonly username?: string | undefined
  /** The user's password. Default: empty. */
  readonly password?: Redacted.Redacted | undefined
  /** For `https`, in PEM. Default: the system's certificate authorities, and no client certificate. */
  readonly tls?: {
    /** The certificate authority that signed the members' certificates. */
    readonly ca?: string | undefined
    /** The client's certificate. */
    readonly cert?: string | undefined
    /** The client's private key. */
    readonly key?: Redacted.Redacted | undefined
  } | undefined
  /** The longest that a call waits for its answer. Default: 5 seconds. */
  readonly requestTimeout?: Duration.Input | undefined
}

/**
 * Connects to etcd, and closes the connection with the scope.
 *
 * Fails if no member answers within `requestTimeout`, or if the user name or the password is refused.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Etcd, EtcdError> => Layer.effect(Etcd, make(options))

/**
 * Connects to etcd with options from the environment's `Config`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<Etcd, EtcdError | Config.ConfigError> =>
  Layer.effect(Etcd, Effect.flatMap(Config.unwrap(options), make))

const rpc = {
  range: Channel.method(Proto.KV.method.range),
  put: Channel.method(Proto.KV.method.put),
  deleteRange: Channel.method(Proto.KV.method.deleteRange),
  txn: Channel.method(Proto.KV.method.txn),
  leaseGrant: Channel.method(Proto.Lease.method.leaseGrant),
  leaseRevoke: Channel.method(Proto.Lease.method.leaseRevoke),
  status: Channel.method(Proto.Maintenance.method.status)
}

const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Etcd["Service"], EtcdError, Scope.Scope> {
  const channel = yield* Effect.flatMap(channelOptions(options), Channel.make)
  const { unary, unaryLocal } = channel
  const status = Effect.map(unaryLocal(rpc.status, {}), (response): Status => ({
    version: response.version,
    member: response.header?.memberId ?? 0n,
    leader: response.leader,
    revision: response.header?.revision ?? 0n,
    raftTerm: response.raftTerm
  }))
  yield* status
  return Etcd.of({
    range: (request) => Effect.map(unary(rpc.range, Wire.rangeRequest(request)), Wire.rangeResult),
    put: (request) => Effect.map(unary(rpc.put, Wire.putRequest(request)), Wire.putResult),
    deleteRange: (request) =>
      Effect.map(unary(rpc.deleteRange, Wire.deleteRangeRequest(request)), Wire.deleteRangeResult),
    txn: (request) =>
      Effect.map(unary(rpc.txn, Wire.txnRequest(request)), (response) => Wire.txnResult(request, response)),
    leaseGrant: (ttl) =>
      Effect.suspend(() => {
        const seconds = Math.ceil(Duration.toSeconds(ttl))
        if (!Number.isSafeInteger(seconds) || seconds <= 0) {
          return refuse("a lease's ttl must be finite and more than 0")
        }
        const sentAt = performance.now()
        return Effect.map(unary(rpc.leaseGrant, { TTL: BigInt(seconds) }), ({ ID, TTL }) => ({
          id: ID,
          ttl: Duration.seconds(Number(TTL)),
          sentAt
        }))
      }),
    leaseRevoke: (id) => Effect.asVoid(unary(rpc.leaseRevoke, { ID: id })),
    leaseKeepAlive: yield* KeepAlives.make(channel),
    watch: yield* Watches.make(channel),
    status
  })
})

const refuse = (why: string) => Effect.fail(Failure.of("Refused", why))

/** `etcd://a,b` names several members in one address. */
const membersOf = (url: string): ReadonlyArray<string> => {
  const [, secure, hosts] = /^etcd(s?):\/\/(.*)$/.exec(url) ?? []
  return hosts === undefined ? [url] : hosts.split(",").map((host) => `http${secure}://${host}`)
}

const channelOptions = ({ password, requestTimeout = "5 seconds", tls, url, username }: Options) => {
  const urls = (typeof url === "string" ? [url] : url).flatMap(membersOf).map((text) =>
    URL.canParse(text) ? new URL(text) : undefined
  )
  const members: Array<string> = []
  for (const member of urls) {
    if (member === undefined || !/^https?:$/.test(member.protocol) || member.protocol !== urls[0]?.protocol) {
      return refuse("`url` must be http://host:port or https://host:port, and the same of the two for all members")
    }
    members.push(`${member.hostname}:${member.port || 2379}`)
  }
  const timeout = Duration.toMillis(requestTimeout)
  if (members.length === 0) return refuse("`url` must name at least one member")
  if (!(timeout > 0 && timeout <= 2 ** 31 - 1)) {
    return refuse("`requestTimeout` must be more than 0 and at most 24 days")
  }
  return Effect.succeed<Channel.Options>({
    members,
    credentials: urls[0]?.protocol === "https:"
      ? secure(tls, members.map((member) => member.replace(/:\d+$/, "").replace(/^\[|\]$/g, "")))
      : credentials.createInsecure(),
    login: username === undefined ? undefined : { name: username, password: password ?? Redacted.make("") },
    timeout
  })
}

const secure = (tls: Options["tls"], hosts: ReadonlyArray<string>): ChannelCredentials => {
  const pem = (text: string | undefined) => text === undefined ? null : Buffer.from(text)
  return credentials.createSsl(
    pem(tls?.ca),
    pem(tls?.key === undefined ? undefined : Redacted.value(tls.key)),
    pem(tls?.cert),
    {
      // gRPC has one name for all members; each member's certificate is for its own.
      checkServerIdentity: (_, certificate) => {
        const errors = hosts.map((host) => checkServerIdentity(host, certificate))
        return errors.includes(undefined) ? undefined : errors[0]
      }
    }
  )
}
