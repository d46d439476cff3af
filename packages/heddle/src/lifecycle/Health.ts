/**
 * Says whether the process lives and whether it is ready, with reasons, to whoever asks: an orchestrator, a load balancer, a person.
 *
 * **When to use**
 *
 * In a service behind something that sends it traffic or restarts it. "Not ready" asks for no traffic; "not live" asks for a
 * restart, and should be said only of what a restart mends.
 *
 * **Details**
 *
 * Each part of the program says how it is; nothing is looked for when somebody asks, so an answer costs nothing and cannot hang.
 * A part is not ready until it says that it is. When the shutdown begins, the process is not ready at once.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { readBy } from "../internal/seriesOf.ts"
import * as check from "./internal/check.ts"
import { probes } from "./internal/probes.ts"
import { Shutdown } from "./Shutdown.ts"

/**
 * Whether all is well, and what is not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly ok: boolean
  /** One for each part that is not well, in the order in which they were made. Empty where all is. */
  readonly reasons: ReadonlyArray<{ readonly component: string; readonly reason: string }>
}

/**
 * A part of the program, which says how it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Component {
  readonly ok: Effect.Effect<void>
  /** It cannot work now: send no traffic. */
  readonly notReady: (reason: string) => Effect.Effect<void>
  /** It will not work again in this process: restart it. Also not ready. */
  readonly dead: (reason: string) => Effect.Effect<void>
}

type State = { readonly is: "ok" } | { readonly is: "not ready" | "dead"; readonly reason: string }

interface Part {
  state: State
}

/**
 * How the process is.
 *
 * @category services
 * @since 0.1.0
 */
export class Health extends Context.Service<Health, {
  /** Whether a restart is not needed. */
  readonly live: Effect.Effect<Status>
  /** Whether it can take traffic: every part is well, and no shutdown has begun. */
  readonly ready: Effect.Effect<Status>
  /** Makes a part: use `component`. */
  readonly add: (name: string) => Effect.Effect<Component, InvalidOption, Scope.Scope>
}>()("heddle/Health") {}

/**
 * Adds a part, which is not ready, "starting", until it says otherwise, and is forgotten when the scope closes. Fails with
 * `InvalidOption` if the name is empty or taken. The name is also a metric's label; the metric's series goes with the part.
 *
 * **Example** (Ready when the cache is warm)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Health, Shutdown } from "heddle/lifecycle"
 *
 * const program = Effect.gen(function*() {
 *   const health = yield* Health.Health
 *   const cache = yield* Health.component("cache")
 *   const before = yield* health.ready
 *   yield* cache.ok
 *   return [before, yield* health.ready]
 * })
 *
 * await program.pipe(
 *   Effect.scoped,
 *   Effect.provide(Layer.provide(Health.layer, Shutdown.layer())),
 *   Effect.runPromise
 * ) // => [{ ok: false, reasons: [{ component: "cache", reason: "starting" }] }, { ok: true, reasons: [] }]
 * ```
 *
 * @category components
 * @since 0.1.0
 */
export const component = (name: string): Effect.Effect<Component, InvalidOption, Health | Scope.Scope> =>
  Effect.flatMap(Health, ({ add }) => add(name))

/**
 * Health of a process that `Shutdown` ends.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Health, never, Shutdown> = Layer.effect(
  Health,
  Effect.gen(function*() {
    const { isStopping } = yield* Shutdown
    const context = yield* Effect.context<never>()
    const parts = new Map<string, Part>()
    const status = (counts: (state: State) => boolean): Status => {
      const reasons = Array.from(parts).flatMap(([component, { state }]) =>
        state.is !== "ok" && counts(state) ? [{ component, reason: state.reason }] : []
      )
      return { ok: reasons.length === 0, reasons }
    }
    const start = (name: string) =>
      Effect.suspend(() => {
        if (parts.has(name)) {
          const message = `name ${name} is taken by another component`
          return Effect.fail(new InvalidOption({ option: "name", message }))
        }
        const part: Part = { state: { is: "not ready", reason: "starting" } }
        parts.set(name, part)
        const series = Metric.registerUnsafe(
          wellOf(name),
          context,
          readBy(() => ({ value: part.state.is === "ok" ? 1 : 0 }))
        )
        return Effect.succeed({ part, series })
      })
    const add = (name: string) =>
      Effect.gen(function*() {
        yield* check.name("name", name)
        const { part } = yield* Effect.acquireRelease(start(name), ({ series }) =>
          Effect.sync(() => {
            parts.delete(name)
            series.remove()
          }))
        const set = (state: State) =>
          Effect.sync(() => {
            part.state = state
          })
        return {
          ok: set({ is: "ok" }),
          notReady: (reason: string) => set({ is: "not ready", reason }),
          dead: (reason: string) => set({ is: "dead", reason })
        }
      })
    return {
      live: Effect.sync(() => status(({ is }) => is === "dead")),
      ready: Effect.map(isStopping, (stopping): Status => {
        const now = status(() => true)
        return stopping
          ? { ok: false, reasons: [{ component: "shutdown", reason: "shutting down" }, ...now.reasons] }
          : now
      }),
      add
    }
  })
)

/**
 * Answers `GET /livez` and `GET /readyz` with 200 or 503 and the status as JSON.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHttp: Layer.Layer<never, never, Health | HttpRouter.HttpRouter> = Layer.effectDiscard(
  Effect.gen(function*() {
    const router = yield* HttpRouter.HttpRouter
    const { live, ready } = yield* Health
    yield* router.add("GET", probes.live, Effect.map(live, respond))
    yield* router.add("GET", probes.ready, Effect.map(ready, respond))
  })
)

const respond = (status: Status): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(status, {
    status: status.ok ? 200 : 503,
    headers: { "cache-control": "no-store" }
  })

const wellOf = (component: string) =>
  Metric.gauge("heddle_health_component", {
    description: "Whether a part of the program is well: 1 or 0",
    attributes: { component }
  })
