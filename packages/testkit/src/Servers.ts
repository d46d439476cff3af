/**
 * Real servers for tests: each call starts private ones that live as long as its scope.
 *
 * A program is looked for in this order: the addresses in `HEDDLE_REDIS_URL`, `HEDDLE_REDIS_CLUSTER_URL`, `HEDDLE_ETCD_URL`, `HEDDLE_POSTGRES_URL`,
 * `HEDDLE_NATS_URL` or `HEDDLE_RABBITMQ_URL` (nothing is started then; several are separated by commas, and used where a call asks for no more than there are), `PATH`
 * and the usual folders, the cache (`HEDDLE_CACHE`, else `.cache` in the repository), and last, where apt-get and dpkg-deb exist, a download into that
 * cache that needs no root and installs nothing. What is not found is a {@link Server.ServerError}, never a skipped test.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Binary, find, given, type Program } from "./internal/Binaries.ts"
import * as etcdServer from "./internal/etcd.ts"
import * as natsServer from "./internal/nats.ts"
import * as pgbouncerServer from "./internal/pgbouncer.ts"
import * as postgresServer from "./internal/postgres.ts"
import * as rabbitmqServer from "./internal/rabbitmq.ts"
import * as redisServer from "./internal/redis.ts"
import * as redisClusterServer from "./internal/redisCluster.ts"
import * as redisSentinelServer from "./internal/redisSentinel.ts"
import { fromUrl, type Server, type ServerError } from "./Server.ts"

/**
 * `count` Redis servers that know nothing of each other, as a Redlock quorum wants them. Started in parallel, in less than 0.1 s.
 *
 * @since 0.1.0
 * @category redis
 */
export const redisNodes = (count: number): Started => several(redisServer, "redis", count)

/**
 * One Redis server.
 *
 * **Details**
 *
 * What it acknowledged survives `kill` and comes back with `restart()`; `restart({ keepData: false })` comes back empty.
 *
 * @since 0.1.0
 * @category redis
 */
export const redis: Effect.Effect<Server, ServerError, Scope.Scope> = Effect.map(redisNodes(1), Arr.headNonEmpty)

/**
 * One Redis Cluster of three masters, and replicas of the first, the second and the third as `replicas` asks (default 0).
 * Ready when every node serves, after 2 s.
 *
 * **Details**
 *
 * The masters come first. A node also keeps its place in the cluster where it comes back without its data. A replica takes
 * the place of a master that has been silent for a second; a slot without a master makes all of them refuse.
 *
 * **Gotchas**
 *
 * A node is up again only when the cluster is: restart several of them at once, with `concurrency: "unbounded"`.
 * `HEDDLE_REDIS_CLUSTER_URL` names the nodes of a running one.
 *
 * @since 0.1.0
 * @category redis
 */
export const redisCluster = ({ replicas = 0 }: { readonly replicas?: number | undefined } = {}): Started =>
  several(redisClusterServer, "redis", 3 + replicas)

/**
 * A Redis server and its replica, and who watches over them.
 *
 * @since 0.1.0
 * @category models
 */
export interface RedisSentinel {
  /** What the sentinels call the group. */
  readonly name: string
  /** Who is the primary at the beginning. */
  readonly primary: Server
  readonly replica: Server
  readonly sentinels: Arr.NonEmptyReadonlyArray<Server>
}

/**
 * A Redis server, its replica, and three sentinels of which two make the replica the primary once the primary has been
 * silent for one and a half seconds. Ready when they know each other, after 0.5 s; a failover takes two to four seconds.
 *
 * @since 0.1.0
 * @category redis
 */
export const redisSentinel: Effect.Effect<RedisSentinel, ServerError, Scope.Scope> = Effect.flatMap(
  find(redisServer.program),
  (binary) => redisSentinelServer.start(binary, "heddle")
)

/**
 * One etcd cluster of `count` members, with a heartbeat of 50 ms and an election timeout of 500 ms. Ready when each member
 * knows a leader, after 0.3 s to 2.5 s.
 *
 * **Gotchas**
 *
 * A member is up again only when a majority is: restart several of them at once, with `concurrency: "unbounded"`. A member
 * that lost its data cannot join again under its old name; etcd stops it.
 *
 * @since 0.1.0
 * @category etcd
 */
export const etcdCluster = (count: number): Started => several(etcdServer, "etcd", count)

/**
 * One etcd server. Ready after 0.3 s to 1 s.
 *
 * @since 0.1.0
 * @category etcd
 */
export const etcd: Effect.Effect<Server, ServerError, Scope.Scope> = Effect.map(etcdCluster(1), Arr.headNonEmpty)

/**
 * One PostgreSQL server, which lets the superuser `postgres` in without a password. Ready after 0.5 s to 1 s.
 *
 * **Details**
 *
 * What was committed survives `kill` and comes back with `restart()`. The verbs act on the whole tree of its processes.
 *
 * **Gotchas**
 *
 * PostgreSQL refuses to run as root. Started by root it runs as the user `postgres`, else `nobody`, through `setpriv`.
 *
 * @since 0.1.0
 * @category postgres
 */
export const postgres: Effect.Effect<Server, ServerError, Scope.Scope> = Effect.map(
  several(postgresServer, "postgres", 1),
  Arr.headNonEmpty
)

/**
 * One NATS server with JetStream, whose store is its data folder. Ready in less than 0.1 s.
 *
 * @since 0.1.0
 * @category nats
 */
export const nats: Effect.Effect<Server, ServerError, Scope.Scope> = Effect.map(
  several(natsServer, "nats", 1),
  Arr.headNonEmpty
)

/**
 * One RabbitMQ server, to which `guest` has all rights. Ready after 3 s to 8 s.
 *
 * **Details**
 *
 * What it confirmed of durable queues survives `kill` and comes back with `restart()`, after 5 s. Erlang's register of names (`epmd`)
 * runs beside it, and ends with it.
 *
 * @since 0.1.0
 * @category rabbitmq
 */
export const rabbitmq: Effect.Effect<Server, ServerError, Scope.Scope> = Effect.map(
  several(rabbitmqServer, "rabbitmq", 1),
  Arr.headNonEmpty
)

/**
 * A PgBouncer before a PostgreSQL server, which gives a client a session of the server as long as it is connected
 * (`session`), or anew for each transaction (`transaction`). Ready in less than 0.1 s. `HEDDLE_PGBOUNCER_URL` names running ones:
 * one of sessions, then one of transactions.
 *
 * @since 0.1.0
 * @category postgres
 */
export const pgbouncer = (
  before: Server,
  mode: "session" | "transaction"
): Effect.Effect<Server, ServerError, Scope.Scope> =>
  Effect.suspend(() => {
    const url = given(pgbouncerServer.program)[mode === "session" ? 0 : 1]
    return url === undefined
      ? Effect.flatMap(find(pgbouncerServer.program), (binary) => pgbouncerServer.start(binary, before, mode))
      : fromUrl(`pgbouncer-${mode}`, url)
  })

/**
 * Servers of one call, at least one, in the order of their names.
 *
 * @since 0.1.0
 * @category models
 */
export type Started = Effect.Effect<Arr.NonEmptyReadonlyArray<Server>, ServerError, Scope.Scope>

interface Kind {
  readonly program: Program
  readonly start: (binary: Binary, names: Arr.NonEmptyReadonlyArray<string>) => Started
}

// Hoisted: the constants above call it.
function several(kind: Kind, name: string, count: number): Started {
  return Effect.suspend(() => {
    const names = Arr.makeBy(count, (n) => count > 1 ? `${name}-${n + 1}` : name)
    const urls = given(kind.program)
    return urls.length < names.length
      ? Effect.flatMap(find(kind.program), (binary) => kind.start(binary, names))
      : Effect.forEach(names, (name, n) => fromUrl(name, urls[n] ?? ""))
  })
}
