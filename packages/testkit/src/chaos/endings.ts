import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { KeyClient } from "./KeyClient.ts"
import type { Ledger } from "./Ledger.ts"
import type { Stage } from "./Stage.ts"
import type { Stores } from "./Stores.ts"
import type { Watchers } from "./Watchers.ts"

/** Writes each key a last time, reads all from each client, and waits until the watchers have been told. */
export const endOfKeys = (
  clients: ReadonlyArray<Stores>,
  direct: Stores,
  watchers: Watchers,
  stage: Stage
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { ledger } = stage
    if (direct.keys === undefined) return
    const last = new KeyClient("end", direct.keys, stage)
    for (const key of stage.keys) {
      const write = Effect.suspend(() => last.put(key, `end.${ledger.commits.length}`))
      yield* within(`${key} can be written again`, Effect.map(write, () => last.log.known.has(key)), ledger)
    }
    for (const [n, stores] of clients.entries()) {
      if (stores.keys === undefined) continue
      const client = new KeyClient(`${n + 1}, at the end`, stores.keys, stage)
      const read = Effect.map(client.range(), () => client.log.known.size > 0)
      yield* within(`client ${n + 1} can read again`, read, ledger)
    }
    yield* watchers.caughtUp(last.log.known)
  })

/** Waits until nobody holds or waits, and each client is let in again. */
export const endOfLocks = (
  clients: ReadonlyArray<Stores>,
  direct: Stores,
  { ledger, resources }: Stage
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { leases } = direct
    if (leases === undefined) return
    for (const { name } of resources) {
      let seen = "nothing"
      const idle = Stream.takeUntil(leases.changes(name), ({ holders, waiters }) => {
        seen = [...holders, ...waiters].map(({ id, owner, permits }) => `${id} of ${owner} for ${permits}`).join(", ")
        return seen === ""
      })
      yield* within(`${name} is free`, succeeds(Stream.runDrain(idle)), ledger)
      if (seen !== "") ledger.wrong.push(`${name} is left with ${seen}`)
    }
    for (const [n, { leases }] of clients.entries()) {
      if (leases === undefined) continue
      const enters = Effect.scoped(leases.claim({ resource: resources[0].name, ttl: 2500, waitFor: "10 seconds" }))
      yield* within(`client ${n + 1} is let in again`, succeeds(enters), ledger)
    }
  })

const succeeds = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<boolean> =>
  Effect.match(effect, { onSuccess: () => true, onFailure: () => false })

/** Tries until the answer is true. */
const within = (what: string, check: Effect.Effect<boolean>, ledger: Ledger): Effect.Effect<void> =>
  check.pipe(
    Effect.repeat({ until: (yes: boolean) => yes, schedule: Schedule.spaced("50 millis") }),
    Effect.timeoutOption(ledger.patience),
    Effect.map((done) => {
      if (done._tag === "None") ledger.wrong.push(`this did not happen after all was healed: ${what}`)
    })
  )
