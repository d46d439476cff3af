/**
 * Compares the steps of a job backend with `JobMachine`, order by order, on a clock that the test moves.
 *
 * **Details**
 *
 * The orders come from a property: random batches of them, all of a batch at one instant. After each batch everything that can be seen
 * is compared; at last all jobs are claimed and completed, so that a test can see what the backend leaves behind.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Job, type JobBackend, JobMachine } from "heddle/messaging"

/**
 * A claimed job as a backend sees it.
 *
 * @category models
 * @since 0.1.0
 */
export type Found = Omit<Job.Claimed, "queue" | "ttl" | "until">

/**
 * What names a claim.
 *
 * @category models
 * @since 0.1.0
 */
export type Held = Pick<JobBackend.Held, "id" | "token" | "ttl">

/**
 * All that can be seen of a queue. `events`: what who follows a job is told at first, where the backend's steps say that.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly stats: Job.Stats
  readonly letters: ReadonlyArray<Job.DeadLetter>
  readonly infos: ReadonlyArray<Job.JobInfo | undefined>
  readonly events?: ReadonlyArray<Job.JobEvent | undefined>
}

/**
 * One queue of a backend, which is told the time in milliseconds. Each step is `JobMachine`'s.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly enqueue: (
    now: number,
    entries: ReadonlyArray<JobBackend.Entry>
  ) => Effect.Effect<ReadonlyArray<boolean>>
  readonly claim: (
    now: number,
    claim: Pick<JobBackend.Claim, "max" | "ttl" | "owner">
  ) => Effect.Effect<ReadonlyArray<Found>>
  readonly extend: (now: number, held: Held) => Effect.Effect<boolean>
  /** Ends claims, together where the backend can. */
  readonly settle: (
    now: number,
    ends: ReadonlyArray<{ readonly held: Held; readonly settlement: JobBackend.Settlement }>
  ) => Effect.Effect<ReadonlyArray<JobBackend.Settled>>
  readonly report: (now: number, held: Held, value: Uint8Array) => Effect.Effect<boolean>
  /** In which state the job was that is cancelled now. */
  readonly cancel: (now: number, id: string) => Effect.Effect<"none" | "waiting" | "claimed">
  readonly redrive: (now: number, ids: ReadonlyArray<string> | undefined) => Effect.Effect<number>
  readonly purge: (now: number, what: "waiting" | "dead") => Effect.Effect<number>
  readonly pause: (now: number, paused: boolean) => Effect.Effect<unknown>
  readonly look: (now: number, ids: ReadonlyArray<string>) => Effect.Effect<Seen>
}

const ids = ["a", "b", "c\u0000", "d", "e", "f"] as const
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
/** Which of the claims so far, counted from the last; there may be none. */
const back = int(0, 3)

const Order = Schema.TaggedUnion({
  Enqueue: {
    entries: Schema.Array(Schema.Struct({
      id: Schema.Literals(ids),
      /** Whether it asks for nothing of what follows but attempts: backends may keep such jobs otherwise. */
      plain: Schema.Boolean,
      // One key begins as another does.
      key: Schema.Literals(["", "", "k", "k\u0001", "k:1"]),
      priority: Schema.Literals([0, 0, 1, 9]),
      delay: Schema.Literals([0, 0, 500, 60_000]),
      maxAttempts: int(1, 2),
      keep: Schema.Literals([0, 1000, 120_000])
    })).check(Schema.isMinLength(1), Schema.isMaxLength(4))
  },
  Claim: { max: int(1, 3), ttl: Schema.Literals([300, 20_000]) },
  Extend: { claim: back },
  Settle: {
    ends: Schema.Array(Schema.Struct({
      claim: back,
      kind: Schema.Literals(["Completed", "Completed", "Retry", "Dead", "HandedBack"]),
      delay: Schema.Literals([0, 500])
    })).check(Schema.isMinLength(1), Schema.isMaxLength(3))
  },
  Report: { claim: back },
  Cancel: { id: Schema.Literals(ids) },
  Redrive: { ids: Schema.UndefinedOr(Schema.Array(Schema.Literals(ids)).check(Schema.isMaxLength(2))) },
  Purge: { what: Schema.Literals(["waiting", "dead"]) },
  Pause: { pause: Schema.Literals([true, false, false]) }
})
type Order = typeof Order.Type

/**
 * What a property draws: `pass` milliseconds go by before the orders of a batch.
 *
 * @category models
 * @since 0.1.0
 */
export const Batches = Schema.Array(Schema.Struct({
  pass: Schema.Literals([0, 1, 400, 25_000]),
  orders: Schema.Array(Order).check(Schema.isMinLength(1), Schema.isMaxLength(4))
})).check(Schema.isMaxLength(20))

interface Claim {
  /** In the machine. */
  readonly mine: number
  readonly held: Held
}

const failure: Job.Failure = { cause: "for a reason\u0000", error: Uint8Array.of(1, 0, 2) }
const never: Claim = { mine: -1, held: { id: "nobody", ttl: 1000, token: -1n } }

/**
 * Carries the orders out on both sides, and fails where they differ.
 *
 * @category comparing
 * @since 0.1.0
 */
export const compare = (subject: Subject, batches: typeof Batches.Type): Effect.Effect<void> =>
  Effect.gen(function*() {
    const twin = new Twin(subject)
    // Something is claimed, so that most orders find what they are about.
    const entry = { plain: false, key: "", priority: 0, delay: 0, maxAttempts: 2, keep: 0 } as const
    const entries = [{ ...entry, id: "a" }, { ...entry, id: "b", key: "k" }, { ...entry, id: "d", key: "k" }] as const
    yield* twin.step({ _tag: "Enqueue", entries })
    yield* twin.step({ _tag: "Claim", max: 3, ttl: 20_000 })
    for (const { orders, pass } of batches) {
      twin.now += pass
      for (const order of orders) yield* twin.step(order)
      yield* twin.look
    }
    yield* twin.finish
  })

class Twin {
  private readonly machine = new JobMachine.JobMachine()
  private readonly claims: Array<Claim> = []
  private readonly subject: Subject
  now = 1_700_000_000_000
  constructor(subject: Subject) {
    this.subject = subject
  }

  readonly step = (order: Order): Effect.Effect<void> =>
    Effect.gen({ self: this }, function*() {
      const { machine, now, subject } = this
      switch (order._tag) {
        case "Enqueue": {
          const entries = order.entries.map(({ plain, ...entry }, at) => ({
            ...entry,
            ...plain ? { priority: 0, delay: 0, keep: 0 } : {},
            key: plain || entry.key === "" ? undefined : entry.key,
            headers: { at: String(at) },
            payload: Uint8Array.of(at, 0, 255)
          }))
          assert.deepStrictEqual([...yield* subject.enqueue(now, entries)], [...machine.enqueue(now, entries)])
          return
        }
        case "Claim": {
          const claim = { max: order.max, ttl: order.ttl, owner: "me" }
          const found = yield* subject.claim(now, claim)
          const granted = machine.claim(now, order.max, order.ttl, "me")
          assert.deepStrictEqual(found.map(shown), granted.map(shown))
          found.forEach(({ id, token }, at) => {
            for (const { held } of this.claims) if (held.id === id) assert.isTrue(held.token < token)
            this.claims.push({ mine: granted[at]?.token ?? -1, held: { id, token, ttl: order.ttl } })
          })
          return
        }
        case "Extend": {
          const { held, mine } = this.claim(order.claim)
          assert.strictEqual(yield* subject.extend(now, held), machine.extend(now, held.id, mine, held.ttl))
          return
        }
        case "Settle": {
          const ends = order.ends
            .map(({ claim, delay, kind }) => ({ ...this.claim(claim), settlement: settlementOf(kind, delay) }))
            .filter(({ held }, at, all) => all.findIndex((other) => other.held === held) === at)
          const told = yield* subject.settle(now, ends)
          const mine = ends.map(({ held, mine, settlement }) => machine.settle(now, held.id, mine, settlement))
          assert.deepStrictEqual([...told], mine)
          return
        }
        case "Report": {
          const { held, mine } = this.claim(order.claim)
          const value = Uint8Array.of(5)
          assert.strictEqual(yield* subject.report(now, held, value), machine.report(now, held.id, mine, value))
          return
        }
        case "Cancel": {
          const was = yield* subject.cancel(now, order.id)
          const token = machine.cancel(now, order.id)
          assert.strictEqual(was, token === undefined ? "none" : token > 0 ? "claimed" : "waiting")
          return
        }
        case "Redrive":
          assert.strictEqual(yield* subject.redrive(now, order.ids), machine.redrive(now, order.ids))
          return
        case "Purge":
          assert.strictEqual(yield* subject.purge(now, order.what), machine.purge(now, order.what))
          return
        case "Pause":
          yield* subject.pause(now, order.pause)
          machine.paused = order.pause
      }
    })

  /** Everything that can be seen, on both sides. */
  readonly look = Effect.gen({ self: this }, function*() {
    const { machine, now } = this
    const { events, infos, letters, stats } = yield* this.subject.look(now, ids)
    assert.deepStrictEqual({ ...stats }, machine.stats(now))
    assert.deepStrictEqual(letters.map(letterOf), machine.deadLetters(now, 100).map(letterOf))
    assert.deepStrictEqual([...infos], ids.map((id) => machine.inspect(now, id)))
    if (events !== undefined) assert.deepStrictEqual([...events], ids.map((id) => this.eventOf(id)))
  })

  /** Lets everything be done, and be forgotten. */
  readonly finish = Effect.gen({ self: this }, function*() {
    this.now += 200_000
    yield* this.step({ _tag: "Pause", pause: false })
    for (let more = true; more;) {
      const before = this.claims.length
      yield* this.step({ _tag: "Claim", max: 3, ttl: 20_000 })
      const ends = this.claims.slice(before).map((_, claim) => ({ claim, kind: "Completed", delay: 0 } as const))
      more = ends.length > 0
      if (more) yield* this.step({ _tag: "Settle", ends })
    }
    this.now += 200_000
    yield* this.step({ _tag: "Purge", what: "dead" })
    yield* this.look
  })

  private claim(back: number): Claim {
    return this.claims.at(-1 - back) ?? never
  }

  private eventOf(id: string): Job.JobEvent | undefined {
    const { outcome, progress } = this.machine.outcome(this.now, id)
    if (outcome !== undefined) return { _tag: "Ended", outcome }
    return progress === undefined ? undefined : { _tag: "Progress", value: progress }
  }
}

const settlementOf = (
  kind: "Completed" | "Retry" | "Dead" | "HandedBack",
  delay: number
): JobBackend.Settlement => {
  switch (kind) {
    case "Completed":
      return { _tag: kind, result: delay === 0 ? undefined : Uint8Array.of(7, 0) }
    case "Retry":
      return { _tag: kind, delay, failure: { cause: "no" } }
    case "Dead":
      return { _tag: kind, failure }
    case "HandedBack":
      return { _tag: kind }
  }
}

/** What both sides say of a claimed job, but for its token. */
const shown = ({ age, attempt, headers, id, key, maxAttempts, payload }: JobMachine.Granted | Found) => ({
  age,
  attempt,
  headers: { ...headers },
  id,
  key,
  maxAttempts,
  payload: [...payload]
})

const letterOf = ({ attempts, failure: { cause, error }, headers, id, key, payload }: Job.DeadLetter) => ({
  attempts,
  cause,
  error: error === undefined ? undefined : [...error],
  headers: { ...headers },
  id,
  key,
  payload: [...payload]
})
