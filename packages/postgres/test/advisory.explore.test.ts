import { describe, it } from "@effect/vitest"
import { Explore } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Scheduler from "effect/Scheduler"
import type { LeaseBackend } from "heddle/coordination"
import { advisorySteps } from "../src/internal/advisoryStore.ts"
import { AdvisoryWorld } from "./advisoryWorld.ts"

const all = 2 ** 31 - 1
const kinds = {
  lock: { permits: 1, limit: 1 },
  read: { permits: 1, limit: all },
  write: { permits: all, limit: all }
} as const
type Kind = keyof typeof kinds

const claimOf = (id: string, kind: Kind, wait: boolean): LeaseBackend.Claim => ({
  id,
  resource: "resource",
  owner: "",
  value: "",
  tokens: 1,
  ttl: 10_000,
  wait,
  ...kinds[kind]
})

/** Users of one store, in the order in which they claim, and a rival in another. */
const scene = (choices: ReadonlyArray<Kind>, waiters: number, disturb?: (world: AdvisoryWorld) => void) =>
  Effect.gen(function*() {
    const world = new AdvisoryWorld()
    const made = advisorySteps(world.postgres, { schema: "s", heartbeat: 1000, waiters })
    const [one, other] = [yield* made("", () => {}), yield* made("", () => {})]
    for (const steps of [one, other]) {
      // What is asked before the first claim was answered may be asked in any order.
      const first = claimOf("first", "lock", true)
      yield* Effect.andThen(steps.ask(first), steps.release(first))
    }
    const asked: Array<{ readonly user: number; readonly kind: Kind }> = []
    const entered: Array<number> = []
    const inside = new Map<number, Kind>()
    let broken = ""
    const granted = (steps: LeaseBackend.Steps, claim: LeaseBackend.Claim, first: () => void) =>
      Effect.gen(function*() {
        // What is noted and the question are one step.
        const answer = yield* Effect.suspend(() => {
          first()
          return steps.ask(claim)
        }).pipe(Effect.provideService(Scheduler.PreventSchedulerYield, true))
        if (answer._tag === "Queued") yield* answer.granted
        return answer._tag !== "Busy"
      })
    const visit = Effect.fnUntraced(function*(user: number, steps: LeaseBackend.Steps, round: number) {
      const kind = choices[yield* Random.nextIntBetween(0, choices.length - 1)] ?? "lock"
      const wait = (yield* Random.nextIntBetween(0, 4)) > 0
      const number = user * 10 + round
      const claim = claimOf(`${number}`, kind, wait)
      const came = yield* granted(steps, claim, () => wait && steps === one && asked.push({ user: number, kind }))
      if (came) {
        if ([...inside.values()].some((there) => there !== "read" || kind !== "read")) broken = `${number} is not alone`
        inside.set(number, kind)
        entered.push(number)
        yield* Effect.yieldNow
        inside.delete(number)
      }
      yield* steps.release(claim)
    })
    const rounds = (user: number, steps: LeaseBackend.Steps) =>
      Effect.forEach([0, 1, 2], (round) => visit(user, steps, round), { discard: true })
    const leave = Effect.gen(function*() {
      const claim = claimOf("leaver", choices[0] ?? "lock", true)
      const fiber = yield* Effect.forkChild(granted(one, claim, () => {}))
      for (let steps = yield* Random.nextIntBetween(0, 40); steps > 0; steps--) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      one.abandonUnsafe(claim)
      disturb?.(world)
    })
    const users = [1, 2, 3, 4, 5].map((user) => rounds(user, user === 5 ? other : one))
    yield* Effect.all([...users, leave], { concurrency: "unbounded" })
    if (broken !== "") return yield* Effect.die(broken)
    // Who has to stand in line anew comes later than others.
    for (const [at, early] of disturb === undefined ? asked.entries() : []) {
      for (const late of asked.slice(at + 1)) {
        if (early.kind === "read" && late.kind === "read") continue
        if (entered.indexOf(late.user) < entered.indexOf(early.user)) {
          return yield* Effect.die(`${late.user} passed ${early.user}: ${JSON.stringify({ asked, entered })}`)
        }
      }
    }
    yield* Effect.sleep("5 seconds")
    if (world.remnants > 0) return yield* Effect.die("something remains")
  }).pipe(Effect.scoped)

const mixtures = [["lock"], ["read", "write"], ["read", "read", "write"]] as const

describe("claims on advisory locks, under every kind of interleaving", () => {
  for (const waiters of [1, 2, 4]) {
    it.live(
      `of one store are granted in the order in which they came, with ${waiters} sessions to wait on`,
      () =>
        Effect.gen(function*() {
          for (const mixture of mixtures) {
            yield* Explore.run(scene(mixture, waiters), { runs: 60, maxSteps: 100_000 })
            yield* Explore.run(scene(mixture, waiters), { runs: 20, maxSteps: 100_000, strategy: Explore.pct() })
          }
        })
    )

    it.live(
      `come through though sessions end on which they wait, with ${waiters} of them`,
      () =>
        Effect.gen(function*() {
          for (const mixture of mixtures) {
            yield* Explore.run(scene(mixture, waiters, (world) => world.endWaiting()), { runs: 60, maxSteps: 100_000 })
          }
        })
    )
  }
})
