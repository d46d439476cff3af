/**
 * Runs clients on a store while its servers, its network and its processes are harmed, and checks what all of them saw.
 *
 * A round has clients that read, write and watch a few keys, and clients and processes that lock a few resources, while
 * servers are killed, stopped and started again, connections are cut one way, both ways or reset, and processes are killed
 * and stopped. Then everything is healed, and it is checked that
 *
 * - what was read and written of each key is linearizable (`Linearizable`), and all watchers were told the commits, each one,
 *   once, whole and in order (`Commits`);
 * - no two were inside a lock at once, nobody went on in it after its lease was over, and tokens grow (`History`);
 * - everyone who waited has come to an end, and nothing is held or waited for any more.
 *
 * All choices follow from one seed: which faults come when and for how long, and what each client asks one after another.
 *
 * **Gotchas**
 *
 * Real time decides how the choices interleave, so a seed that has found something may need a few runs to find it again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { KvStore, LeaseStore } from "heddle/coordination"
import { round } from "./chaos/round.ts"
import { inRealTime } from "./internal/until.ts"
import type { Spec } from "./internal/WorkerProcess.ts"

export { onServers, type ServerOptions, type Urls } from "./chaos/servers.ts"

/**
 * A way to harm a world: it is struck when the effect has run, and healed when its scope has closed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly name: string
  /** Of the faults of one lane there is one at a time. */
  readonly lane: "servers" | "network" | "delays" | "processes"
  /** Whether data is lost that was acknowledged. In a round that does, keys are left alone, and locks may be held twice. */
  readonly forgets?: true | undefined
  readonly strike: Effect.Effect<void, never, Scope.Scope>
}

/**
 * The stores of one client. What is absent is not tested.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client {
  readonly leases?: Layer.Layer<LeaseStore.LeaseStore, unknown> | undefined
  readonly keys?: Layer.Layer<KvStore.KvStore | KvStore.KvTransactions, unknown> | undefined
}

/**
 * Where a round takes place.
 *
 * @category models
 * @since 0.1.0
 */
export interface World {
  readonly clients: ReadonlyArray<Client>
  /** A client that no fault of the network lane reaches, for the end. */
  readonly direct: Client
  /** How to start processes that call `LeaseWorker.main`, one for each. */
  readonly workers: ReadonlyArray<Spec>
  readonly faults: ReadonlyArray<Fault>
  /** Whether claims are for a whole resource only, and say nothing of themselves. */
  readonly exclusive?: true | undefined
}

/**
 * What is to be tested: its worlds are built anew for each round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly name: string
  readonly world: Effect.Effect<World, unknown, Scope.Scope>
}

/**
 * How a round goes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What all choices follow from: a whole number from 0 to 2³² - 1. */
  readonly seed: number
  /** For how long faults come, in milliseconds. Default 6,000. The same seed with another duration is another round. */
  readonly duration?: number | undefined
  /** How long all may take to come to an end once everything is healed, in milliseconds. Default 60,000. */
  readonly patience?: number | undefined
  /** Is told what happens, line by line. */
  readonly tell?: ((line: string) => void) | undefined
}

/**
 * What a round found.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly seed: number
  /** What was wrong, each with its counter-example. */
  readonly violations: ReadonlyArray<string>
  /** The faults that came, in order. */
  readonly faults: ReadonlyArray<string>
  /** How often what was done or came of it. */
  readonly counts: Readonly<Record<string, number>>
}

/**
 * Runs one round in a world of its own.
 *
 * **Interruption**
 *
 * Ends the round, its processes and its servers.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (subject: Subject, options: Options): Effect.Effect<Report> =>
  inRealTime(Effect.scoped(round(subject, options)))
