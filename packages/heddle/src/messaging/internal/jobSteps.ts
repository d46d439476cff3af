import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { runHeld, startHeld } from "../../coordination/internal/leaseGuard.ts"
import { Hold, Keeper, type Kept } from "../../coordination/internal/leaseKeeper.ts"
import { leaseMetrics } from "../../coordination/internal/leaseMetrics.ts"
import type { Claimed, ClaimRequest, DeadLetter, DeadOptions, End, Enqueued, JobError, NewJob } from "../Job.ts"
import { InvalidJob, LeaseLost, type StoreUnavailable } from "../Job.ts"
import type * as JobAbility from "../JobAbility.ts"
import type { Backend, Claim, Ending, Entry, Held, Settled, Steps } from "../JobBackend.ts"
import type { JobStore } from "../JobStore.ts"
import { type ClaimName, type Open, OpenClaims } from "./jobOpen.ts"
import { checkCount, checkId, checkLimit, checkQueue, toClaim, toEntry, toSettlement } from "./jobRequest.ts"

export interface KeptJob extends Kept {
  readonly held: Held
}

export const makeJobs = <S extends Steps, E, R>(
  backend: Backend<S, E, R>
): Effect.Effect<{ readonly store: JobStore["Service"]; readonly steps: S }, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const context = yield* Effect.context<never>()
    const session = yield* makeSession
    const steps = yield* backend.steps((held) => jobs.revoked(held))
    const keeper = new Keeper<KeptJob>(
      (all) => steps.extend(all.map(({ held }) => held)),
      clock,
      leaseMetrics(backend.backend, context)
    )
    yield* Effect.forkScoped(keeper.alarm.run)
    const jobs = new Jobs(backend, session, steps, keeper)
    return { store: jobs, steps }
  })

/** 104 random bits: unique among all stores that ever share a backend. */
const makeSession = Effect.map(
  Effect.all([Random.next, Random.next]),
  (parts) => parts.map((part) => Math.floor(part * 2 ** 52).toString(36)).join("")
)

/** One store's service. */
class Jobs {
  readonly backend: string
  private readonly owner: string
  private readonly abilities: ReadonlySet<JobAbility.Any>
  private readonly session: string
  private readonly steps: Steps
  private readonly keeper: Keeper<KeptJob>
  /** The claims of this store that are not known to be over. */
  private readonly open = new OpenClaims()
  private count = 0
  private kept = 0
  constructor(
    options: { readonly backend: string; readonly owner: string; readonly abilities: Iterable<JobAbility.Any> },
    session: string,
    steps: Steps,
    keeper: Keeper<KeptJob>
  ) {
    this.backend = options.backend
    this.owner = options.owner
    this.abilities = new Set(options.abilities)
    this.session = session
    this.steps = steps
    this.keeper = keeper
  }

  readonly enqueue = (
    queue: string,
    jobs: ReadonlyArray<NewJob>
  ): Effect.Effect<ReadonlyArray<Enqueued>, JobError> =>
    checked(checkQueue(queue) ?? checkCount(jobs.length), () => {
      const entries: Array<Entry> = []
      for (const job of jobs) {
        const entry = toEntry(job, this.freshId, this.abilities)
        if (entry instanceof InvalidJob) return Effect.fail(entry)
        entries.push(entry)
      }
      if (entries.length === 0) return Effect.succeed([])
      return Effect.map(
        this.steps.enqueue(queue, entries),
        (added) => entries.map(({ id }, index) => ({ id, added: added[index] === true }))
      )
    })

  readonly claim = (
    queue: string,
    request: ClaimRequest = {}
  ): Effect.Effect<ReadonlyArray<Claimed>, JobError, Scope.Scope> =>
    Effect.uninterruptible(Effect.suspend((): Effect.Effect<ReadonlyArray<Claimed>, JobError, Scope.Scope> => {
      const asked = toClaim(queue, this.owner, request)
      if (asked instanceof InvalidJob) return Effect.fail(asked)
      return Effect.tap(this.claimWithin(asked.claim, asked.waitFor), (jobs) => {
        if (jobs.length === 0) return Effect.void
        for (const job of jobs) this.open.add(job)
        return Effect.addFinalizer(() => Effect.sync(() => this.handBack(jobs)))
      })
    }))

  readonly keep = <A, E, R>(job: Claimed, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LeaseLost, R> =>
    Effect.suspend(() => {
      const open = this.open.get(job)
      if (open === undefined) return Effect.fail(lost(job))
      const hold = this.hold(open)
      this.keeper.add(hold)
      return Effect.ensuring(
        runHeld(this.keeper, hold, job.token, effect),
        Effect.sync(() => this.keeper.end(hold, "released"))
      )
    })

  readonly keepUnsafe: JobStore["Service"]["keepUnsafe"] = (job, effect, context, onExit) => {
    const open = this.open.get(job)
    const hold = open === undefined ? undefined : this.hold(open)
    if (open === undefined || hold === undefined || !this.keeper.isAlive(hold)) {
      onExit(undefined)
      return undefined
    }
    const fiber = startHeld(this.keeper, hold, context, effect, (exit) => {
      const isAlive = this.keeper.isAlive(hold)
      this.keeper.end(hold, "released")
      onExit(isAlive ? exit : undefined)
    })
    // Most are over by now. Those that are not are renewed, and watched.
    if (fiber !== undefined && hold.over === undefined) this.keeper.add(hold)
    return fiber
  }

  private hold(open: Open): Hold<KeptJob> {
    const { token, ttl, until } = open.job
    const kept = { id: `${++this.kept}`, resource: resourceOf(open.job), ttl, held: open.job }
    return open.hold = new Hold(kept, { token, until }, this.keeper.now())
  }

  readonly settle = (job: Claimed, end: End): Effect.Effect<Exclude<Settled, "Lost">, JobError | LeaseLost> =>
    Effect.flatMap(
      this.settleAll([{ job, end }]),
      ([settled = lost(job)]) => typeof settled === "string" ? Effect.succeed(settled) : Effect.fail(settled)
    )

  readonly settleAll: JobStore["Service"]["settleAll"] = (ends) =>
    Effect.suspend(() => {
      const endings: Array<Ending> = []
      /** By their places. */
      const refused = new Map<number, InvalidJob>()
      for (const { end, job } of ends) {
        const settlement = toSettlement(end)
        if (settlement instanceof InvalidJob) refused.set(endings.length + refused.size, settlement)
        else endings.push({ held: job, settlement })
      }
      const settled = endings.length === 0 ? Effect.succeed([]) : this.steps.settle(endings)
      return Effect.map(settled, (settled) => {
        let answered = 0
        return ends.map(({ job }, at) => {
          const wrong = refused.get(at)
          if (wrong !== undefined) return wrong
          const answer = settled[answered++] ?? "Lost"
          if (typeof answer === "string") this.open.take(job)
          return answer === "Lost" ? lost(job) : answer
        })
      })
    })

  readonly deadLetters = (
    queue: string,
    { limit = 100 }: DeadOptions = {}
  ): Effect.Effect<ReadonlyArray<DeadLetter>, JobError> =>
    checked(checkQueue(queue) ?? checkLimit(limit), () => this.steps.deadLetters(queue, limit))

  readonly redrive = (queue: string, ids?: ReadonlyArray<string>): Effect.Effect<number, JobError> => {
    const wrong = (ids ?? []).map((id) => checkId(id, "ids")).find((wrong) => wrong !== undefined)
    return checked(
      checkQueue(queue) ?? wrong,
      () => ids?.length === 0 ? Effect.succeed(0) : this.steps.redrive(queue, ids)
    )
  }

  readonly purge = (queue: string, what: "waiting" | "dead"): Effect.Effect<number, JobError> =>
    checked(checkQueue(queue), () => this.steps.purge(queue, what))

  revoked(name: ClaimName): void {
    const hold = this.open.take(name)?.hold
    if (hold !== undefined) this.keeper.end(hold, "revoked")
  }

  private readonly freshId = (): string => `${this.session}-${(++this.count).toString(36)}`

  /** What came in time; what comes at the moment when the time is over counts, what comes at that of an interruption goes back. */
  private claimWithin(claim: Claim, waitFor: number): Effect.Effect<ReadonlyArray<Claimed>, StoreUnavailable> {
    const claimed = this.steps.claim(claim)
    if (!claim.wait || waitFor === Infinity) return claimed
    return Effect.flatMap(Effect.forkDetach(claimed, { startImmediately: true, uninterruptible: true }), (fiber) => {
      const stopped = Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber))
      const inTime = Effect.timeoutOrElse(Fiber.await(fiber), { duration: waitFor, orElse: () => stopped })
      return Effect.onInterrupt(Effect.interruptible(inTime), () =>
        Effect.map(stopped, (exit) => {
          if (Exit.isSuccess(exit)) this.steps.handBackUnsafe(exit.value)
        })).pipe(
          Effect.flatMap((exit): Effect.Effect<ReadonlyArray<Claimed>, StoreUnavailable> =>
            Exit.isFailure(exit) && Exit.hasInterrupts(exit) ? Effect.succeed([]) : exit
          )
        )
    })
  }

  private handBack(jobs: ReadonlyArray<Claimed>): void {
    const unsettled = jobs.filter((job) => this.open.take(job) !== undefined)
    if (unsettled.length > 0) this.steps.handBackUnsafe(unsettled)
  }
}

const resourceOf = ({ id, queue }: Held): string => `${queue}/${id}`

export const lost = (held: Held): LeaseLost =>
  new LeaseLost({ resource: resourceOf(held), token: held.token, reason: "revoked" })

export const checked = <A, E>(
  wrong: InvalidJob | undefined,
  run: () => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidJob> => wrong === undefined ? Effect.suspend(run) : Effect.fail(wrong)
