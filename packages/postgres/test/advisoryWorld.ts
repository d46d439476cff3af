import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import { Socket } from "node:net"
import type { Rows } from "../src/internal/Link.ts"
import type { Session } from "../src/internal/Session.ts"
import type { Executor } from "../src/internal/Wire.ts"
import type { Postgres } from "../src/Postgres.ts"

type Mode = "exclusive" | "shared"

interface Lock {
  readonly holders: Map<number, { readonly mode: Mode; count: number }>
  readonly line: Array<{ readonly pid: number; readonly mode: Mode; readonly ended: (error?: SqlError) => void }>
}

const broken = new SqlError({ reason: new ConnectionError({ cause: new Error("closed"), message: "closed" }) })
const canceled = new SqlError({
  reason: new UnknownError({ cause: Object.assign(new Error("canceled"), { code: "57014" }), message: "canceled" })
})

/**
 * A server with advisory locks and nothing else, in memory: each session carries out its statements in order, and the sessions
 * beside each other in whatever order the scheduler has them run.
 */
export class AdvisoryWorld {
  private readonly locks = new Map<bigint, Lock>()
  private readonly sessions = new Map<number, { readonly socket: Socket; readonly end: () => void }>()
  private fence = 0n
  private pids = 0

  /** How many locks are held or waited for. */
  get remnants(): number {
    return [...this.locks.values()].reduce((sum, { holders, line }) => sum + holders.size + line.length, 0)
  }

  /** Ends the sessions that wait. */
  endWaiting(): void {
    const pids = [...this.locks.values()].flatMap(({ line }) => line.map(({ pid }) => pid))
    for (const pid of pids) this.sessions.get(pid)?.end()
  }

  /** What a store stands on. */
  get postgres(): Postgres["Service"] {
    const run = (sql: string, [first]: ReadonlyArray<unknown> = []) =>
      Effect.andThen(Effect.yieldNow, Effect.sync(() => this.shared(sql, first)))
    return {
      timeout: 5000,
      pooling: "none",
      run,
      isUp: () => true,
      another: Effect.succeed({ run, isUp: () => true }),
      onUp: () => Effect.void,
      listen: () => Effect.succeed(false),
      open: () => this.open,
      failure: (error) => {
        throw error
      }
    }
  }

  private shared(sql: string, first: unknown): Rows {
    if (sql.includes("returning name")) return [["resource"]]
    if (sql.includes("pg_cancel_backend")) {
      for (const { line } of this.locks.values()) {
        const at = line.findIndex(({ pid }) => pid === first)
        for (const waiter of at < 0 ? [] : line.splice(at, 1)) waiter.ended(canceled)
      }
      this.grant()
      return [[true]]
    }
    const asked: ReadonlyArray<unknown> = Array.isArray(first) ? first : []
    return [...this.locks.values()].flatMap(({ line }) => line.flatMap(({ pid }) => asked.includes(pid) ? [[pid]] : []))
  }

  private readonly open = Effect.gen({ self: this }, function*() {
    const pid = ++this.pids
    const socket = new Socket()
    const ended = Deferred.makeUnsafe<void>()
    const asked: Array<Parameters<Executor["run"]>> = []
    const more = Latch.makeUnsafe(false)
    let over = false
    const end = () => {
      if (over) return
      over = true
      for (const { holders, line } of this.locks.values()) {
        holders.delete(pid)
        line.splice(0, line.length, ...line.filter((waiter) => waiter.pid !== pid))
      }
      this.grant()
      for (const [, , , failed] of asked.splice(0)) failed(broken)
      Deferred.doneUnsafe(ended, Effect.void)
    }
    this.sessions.set(pid, { socket, end })
    socket.destroy = () => {
      end()
      return socket
    }
    yield* Effect.addFinalizer(() => Effect.sync(end))
    const serve = Effect.gen({ self: this }, function*() {
      yield* more.await
      const [statement, numbers, done, failed] = asked[0] ?? []
      if (statement === undefined) return more.closeUnsafe()
      for (let steps = Number(this.fence % 3n); steps >= 0; steps--) yield* Effect.yieldNow
      const answer = Deferred.makeUnsafe<bigint | undefined, SqlError>()
      if (!over) {
        this.carryOut(
          pid,
          statement.sql,
          numbers?.[0] ?? 0n,
          (number, error) =>
            Deferred.doneUnsafe(answer, error === undefined ? Effect.succeed(number) : Effect.fail(error))
        )
      }
      const result = yield* Effect.result(Deferred.await(answer))
      yield* Effect.yieldNow
      if (asked.shift() === undefined) return
      if (result._tag === "Success") done?.(result.success)
      else failed?.(result.failure)
    })
    yield* Effect.forkScoped(Effect.forever(serve))
    // The greeting is all that is asked of it.
    const connection = { queryValues: () => Effect.succeed([[pid, 1]]) } as unknown as PgConnection
    const executor: Executor = {
      run: (...statement) => {
        if (over) return statement[3](broken)
        asked.push(statement)
        more.openUnsafe()
      }
    }
    const session: Session = { connection, socket, closed: Deferred.await(ended), wire: () => executor }
    return session
  })

  private carryOut(
    pid: number,
    sql: string,
    number: bigint,
    answer: (number: bigint | undefined, error?: SqlError) => void
  ): void {
    const lock: Lock = this.locks.get(number) ?? { holders: new Map(), line: [] }
    this.locks.set(number, lock)
    const mode = sql.includes("_shared(") ? "shared" : "exclusive"
    const took = () => {
      const has = lock.holders.get(pid)
      if (has === undefined) lock.holders.set(pid, { mode, count: 1 })
      else has.count++
      answer(++this.fence)
    }
    if (sql.includes("pg_try_advisory_lock")) {
      const again = lock.holders.has(pid) && (!sql.includes("pg_locks") || lock.line.length === 0)
      if (again || this.isFree(lock, mode)) took()
      else answer(undefined)
    } else if (sql.includes("pg_advisory_lock")) {
      if (this.isFree(lock, mode)) return took()
      lock.line.push({ pid, mode, ended: (error) => error === undefined ? took() : answer(undefined, error) })
    } else {
      const all = sql.includes("unlock_all")
      for (const { holders } of all ? this.locks.values() : sql.includes("unlock") ? [lock] : []) {
        const has = holders.get(pid)
        if (has !== undefined && (--has.count === 0 || all)) holders.delete(pid)
      }
      answer(undefined)
      this.grant()
    }
  }

  private isFree({ holders, line }: Lock, mode: Mode): boolean {
    const barred = [...holders.values(), ...line].some((other) => other.mode === "exclusive" || mode === "exclusive")
    return !barred
  }

  private grant(): void {
    for (const lock of this.locks.values()) {
      for (let [first] = lock.line; first !== undefined; [first] = lock.line) {
        if (!this.isFree({ holders: lock.holders, line: [] }, first.mode)) break
        lock.line.shift()
        first.ended()
      }
    }
  }
}
