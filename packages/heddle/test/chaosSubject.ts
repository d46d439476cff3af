import type { Chaos } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { KvStore, LeaseStore } from "heddle/coordination"
import { memorySteps as kvSteps } from "../src/coordination/internal/kvMemory.ts"
import { memorySteps as leaseSteps } from "../src/coordination/internal/leaseMemory.ts"
import { Gate } from "./Gate.ts"

/** Three clients of one memory, each behind a network of its own. */
export const subject: Chaos.Subject = {
  name: "memory",
  world: Effect.gen(function*() {
    const leases = yield* leaseSteps("shared")
    const keys = yield* kvSteps()
    const client = (gate: Gate): Chaos.Client => {
      const backend = { backend: "memory", owner: "local", timeout: 1000 }
      return {
        leases: Layer.effect(
          LeaseStore.LeaseStore,
          LeaseStore.make({ ...backend, steps: () => Effect.succeed(gate.leases(leases)) })
        ),
        keys: KvStore.layerOf({ ...backend, steps: () => Effect.succeed(gate.keys(keys)) })
      }
    }
    const gates = [new Gate(), new Gate(), new Gate()]
    const cuts = gates.flatMap((gate, n): ReadonlyArray<Chaos.Fault> => [
      { name: `cut the requests of client ${n + 1}`, lane: "network", strike: gate.cut("up") },
      { name: `cut the answers to client ${n + 1}`, lane: "network", strike: gate.cut("down") },
      { name: `cut off client ${n + 1}`, lane: "network", strike: gate.cut("both") }
    ])
    const all = Effect.forEach(gates, (gate) => gate.cut("both"), { discard: true })
    return {
      clients: gates.map(client),
      direct: client(new Gate()),
      workers: [],
      faults: [...cuts, { name: "cut off everybody", lane: "servers", strike: all }]
    }
  })
}
