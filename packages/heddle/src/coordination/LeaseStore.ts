/**
 * Arbitrates leased claims on named resources, fairly and with fencing tokens.
 *
 * A claim asks for some of a resource's permits. The store grants claims in arrival order while the permits granted
 * stay within the limit, and gives each grant a token above every earlier one. A grant is a lease: it lasts for its
 * `ttl`, is renewed while it is held, and ends by itself when its holder dies. Locks, semaphores and elections are thin
 * patterns over this one service; `layerMemory` keeps it in the process, the backend packages keep it on a server.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { makeStore } from "./internal/leaseClaims.ts"
import { memorySteps } from "./internal/leaseMemory.ts"
import type {
  ClaimError,
  ClaimRequest,
  Inspection,
  InvalidClaim,
  Lease,
  LeaseLost,
  Look,
  Restore,
  StoreUnavailable,
  TryClaimError
} from "./Lease.ts"
import * as LeaseAbility from "./LeaseAbility.ts"
import type { Backend } from "./LeaseBackend.ts"

/**
 * Grants leases.
 *
 * @category services
 * @since 0.1.0
 */
export class LeaseStore extends Context.Service<LeaseStore, {
  /** The backend's name, a label on metrics. */
  readonly backend: string
  /**
   * Waits in line for the permits and holds them until the scope closes, the lease is released, or it is lost.
   *
   * **Interruption**
   *
   * An interrupted wait leaves the line at once. A grant made at that moment goes back.
   */
  readonly claim: (request: ClaimRequest) => Effect.Effect<Lease, ClaimError, Scope.Scope>
  /** Takes the permits if they are free and nobody waits for them. One round trip; `waitFor` is not looked at. */
  readonly tryClaim: (request: ClaimRequest) => Effect.Effect<Option.Option<Lease>, TryClaimError, Scope.Scope>
  /**
   * `claim` without a scope, for patterns: call it inside `Effect.uninterruptibleMask`, hand it that `restore`, and
   * release the lease whatever comes. Only the waits are restored, so a grant never falls between two hands. `began`: when
   * the wait began, where the caller has looked.
   */
  readonly acquire: (request: ClaimRequest, restore: Restore, began?: Look) => Effect.Effect<Lease, ClaimError>
  /** `tryClaim` without a scope, for patterns, as `acquire` is. */
  readonly tryAcquire: (request: ClaimRequest, restore: Restore) => Effect.Effect<Option.Option<Lease>, TryClaimError>
  /**
   * Sets how many permits a resource has, also while they are held and waited for. One round trip.
   *
   * **Details**
   *
   * Callers go on naming the `limit` that they named before: it is the size that they agree on, and the most that one
   * claim can ask for. More permits are granted at once to those who wait; of fewer, as many must first be given back. A
   * new size lasts, also while nobody uses the resource, until it is set to the size that callers name.
   */
  readonly resize: (resource: string, limit: number) => Effect.Effect<void, InvalidClaim | StoreUnavailable>
  /** Who holds the resource and who waits for it. One round trip. */
  readonly inspect: (resource: string) => Effect.Effect<Inspection, InvalidClaim | StoreUnavailable>
  /**
   * Who holds the resource and who waits for it: now, and again after each change. A slow reader sees the latest state,
   * never an older one after a newer.
   */
  readonly changes: (resource: string) => Stream.Stream<Inspection, InvalidClaim | StoreUnavailable>
}>()("heddle/LeaseStore") {}

/**
 * Builds the service from a backend's steps.
 *
 * @category backends
 * @since 0.1.0
 */
export const make = <E, R>(backend: Backend<E, R>): Effect.Effect<LeaseStore["Service"], E, R | Scope.Scope> =>
  makeStore(backend)

/**
 * Claims, runs the effect as `Lease.run` does, and gives back, whether it succeeded, failed or was interrupted.
 *
 * **Details**
 *
 * The release is sent, not awaited: if the message is lost, the permits come free when the ttl ends.
 *
 * **Interruption**
 *
 * While it waits it leaves the line; while the effect runs it is interrupted, its finalizers end, and the lease goes
 * back.
 *
 * @category using
 * @since 0.1.0
 */
export const withLease = <A, E, R>(
  request: ClaimRequest,
  use: (lease: Lease) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ClaimError | LeaseLost, R | LeaseStore> =>
  Effect.flatMap(
    LeaseStore,
    (store) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(store.acquire(request, restore), (lease) =>
          Effect.onExit(
            restore(Effect.suspend(() => lease.run(use(lease)))),
            () => Effect.sync(() => lease.releaseUnsafe())
          ))
      )
  )

/**
 * Keeps all leases in this process: the reference that runs the laws first, for tests and for one-process programs.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<LeaseStore | LeaseAbility.All> = Layer.merge(
  Layer.effect(LeaseStore, make({ backend: "memory", owner: "local", timeout: Infinity, steps: memorySteps })),
  LeaseAbility.layerAll
)

/**
 * The configuration names a store that there is no loader for, or no store at all. Correct it: `message` lists what it can be.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownBackend extends Schema.TaggedError<UnknownBackend>()("UnknownBackend", {
  variable: Schema.String,
  valid: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `${this.variable} must be one of ${this.valid.join(", ")}`
  }
}

/**
 * Keeps leases where the variable `HEDDLE_LEASES` says: `memory`, or an address whose scheme is the name of a loader.
 *
 * **Details**
 *
 * Only the loader that is named runs, so only that backend's package is loaded. The layer promises what all of the stores
 * promise, memory among them: where the loaders differ, name in `I` what the app stands on. A value that names no store
 * fails with `UnknownBackend` when the layer is built; it never falls back to memory.
 *
 * **Example** (Memory in tests, Redis in production)
 *
 * ```ts
 * import { ConfigProvider, Effect, type Redacted } from "effect"
 * import { DistributedLock, LeaseStore } from "heddle/coordination"
 *
 * const redis = async (url: Redacted.Redacted<string>) => {
 *   const { RedisLeaseStore } = await import("@heddle/redis")
 *   return RedisLeaseStore.layer({ url })
 * }
 * const leases = LeaseStore.layerConfig({ redis, rediss: redis })
 *
 * const program = DistributedLock.withLock("key")(Effect.succeed("held")).pipe(
 *   Effect.provide(leases),
 *   Effect.provide(
 *     ConfigProvider.layer(ConfigProvider.fromUnknown({ HEDDLE_LEASES: "memory" }))
 *   )
 * )
 * await Effect.runPromise(program) // => "held"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <I extends LeaseStore | LeaseAbility.All, E>(
  load: Readonly<Record<string, (url: Redacted.Redacted<string>) => Promise<Layer.Layer<I, E>>>>
): Layer.Layer<I, E | UnknownBackend | Config.ConfigError> => {
  const valid = ["memory", ...Object.keys(load).map((name) => `${name}://…`)]
  const select = (url: Redacted.Redacted<string>): Effect.Effect<Layer.Layer<I, E>, UnknownBackend> => {
    const [name = "", address] = Redacted.value(url).split("://")
    if (name === "memory" && address === undefined) return Effect.succeed(layerMemory)
    const loader = address === undefined || !Object.hasOwn(load, name) ? undefined : load[name]
    return loader === undefined
      ? Effect.fail(new UnknownBackend({ variable, valid }))
      : Effect.promise(() => loader(url))
  }
  return Layer.unwrap(Effect.flatMap(Config.Redacted(variable), select))
}

const variable = "HEDDLE_LEASES"
