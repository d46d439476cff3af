import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Alarm } from "../Alarm.ts"
import type { Inspection } from "../Lease.ts"
import type { Answer, Claim, Granted, Steps } from "../LeaseBackend.ts"
import * as Machine from "../LeaseMachine.ts"
import { Slot } from "./Slot.ts"

/** The machine behind a thin shell: it gives the machine its time, carries its pushes, and looks when a lease ends. */
export const memorySteps = (session: string): Effect.Effect<Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const states = new Map<string, Machine.State>()
    const waiting = new Map<string, Slot<Granted>>()
    const watched = new Set<string>()
    const observers = new Map<string, Set<() => void>>()
    let issued = 0

    const run = (resource: string, command: Machine.Command): Machine.Reply => {
      const now = alarm.now()
      const floor = Math.max(Math.floor(now * 1000), issued + 1)
      const before = states.get(resource)
      const [state, reply, pushes] = Machine.step(before, { now, floor }, command)
      if (state === undefined) states.delete(resource)
      else states.set(resource, state)
      issued = Math.max(issued, state?.token ?? 0)
      for (const push of pushes) {
        const granted: Granted = { _tag: "Granted", token: BigInt(push.token), until: now + push.ttl }
        waiting.get(push.id)?.give(granted)
      }
      watch(resource)
      if (state !== before) observers.get(resource)?.forEach((notify) => notify())
      return reply
    }

    /** Looks when a lease ends if somebody waits for that, in line or as an observer. */
    const watch = (resource: string) => {
      const state = states.get(resource)
      if (state === undefined || (state.queue.length === 0 && !observers.has(resource))) {
        return void watched.delete(resource)
      }
      watched.add(resource)
      alarm.ring(Math.min(...state.holders.map((holder) => holder.until)))
    }

    const alarm: Alarm<never> = new Alarm(
      yield* Clock.Clock,
      Effect.sync(() => {
        for (const resource of watched) run(resource, { _tag: "Release", id: "", remember: 0 })
        return Infinity
      })
    )
    yield* Effect.forkScoped(alarm.run)

    const release = (claim: Claim) => {
      waiting.delete(claim.id)
      run(claim.resource, { _tag: "Release", id: claim.id, remember: 0 })
    }

    const ask = (claim: Claim): Answer => {
      const reply = run(claim.resource, { _tag: "Claim", ...claim, session, patience: Infinity })
      switch (reply._tag) {
        case "Granted":
          return { _tag: "Granted", token: BigInt(reply.token), until: alarm.now() + reply.ttl }
        case "Mismatch":
          return reply
        case "Queued": {
          const slot = new Slot<Granted>()
          waiting.set(claim.id, slot)
          return { _tag: "Queued", granted: Effect.ensuring(slot.await, Effect.sync(() => waiting.delete(claim.id))) }
        }
        default:
          return { _tag: "Busy" }
      }
    }

    const inspect = (resource: string): Inspection => {
      const now = alarm.now()
      const state = states.get(resource)
      const holders = (state?.holders ?? []).filter((holder) => holder.until > now)
      const waiters = state?.queue ?? []
      const used = holders.length + waiters.length > 0
      return {
        limit: used || state?.limit !== state?.named ? state?.limit : undefined,
        holders: holders.map((holder) => ({
          id: holder.id,
          owner: holder.owner,
          value: holder.value,
          permits: holder.permits,
          token: BigInt(holder.token),
          age: now - holder.since
        })),
        waiters: waiters.map(({ id, owner, permits, since }) => ({ id, owner, permits, age: now - since }))
      }
    }

    return {
      ask: (claim) => Effect.sync(() => ask(claim)),
      renew: (claims) =>
        Effect.sync(() =>
          claims.map((claim) =>
            run(claim.resource, { _tag: "Renew", id: claim.id, ttl: claim.ttl })._tag === "Done"
              ? alarm.now() + claim.ttl
              : undefined
          )
        ),
      release: (claim) => Effect.sync(() => release(claim)),
      releaseUnsafe: release,
      abandonUnsafe: release,
      update: (claim, change) =>
        Effect.sync(() => run(claim.resource, { _tag: "Update", id: claim.id, ...change })._tag === "Done"),
      resize: (resource, limit) => Effect.sync(() => void run(resource, { _tag: "Resize", limit })),
      inspect: (resource) => Effect.sync(() => inspect(resource)),
      changes: (resource) =>
        Stream.callback<Inspection>((queue) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const notify = () => Queue.offerUnsafe(queue, inspect(resource))
              observers.set(resource, (observers.get(resource) ?? new Set()).add(notify))
              watch(resource)
              notify()
              return notify
            }),
            (notify) =>
              Effect.sync(() => {
                const all = observers.get(resource)
                all?.delete(notify)
                if (all?.size === 0) observers.delete(resource)
              })
          ), { bufferSize: 1, strategy: "sliding" })
    }
  })
