import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DistributedLock, LeaderElection, type Lease } from "heddle/coordination"
import { Broker } from "heddle/messaging"
import { basename, join } from "node:path"
import * as Board from "./board.ts"
import * as Entry from "./entry.ts"
import { fibers } from "./fibers.ts"
import * as IndexFile from "./indexFile.ts"
import { lead } from "./leader.ts"
import { processes } from "./processes.ts"
import { chunks, electionOf, lockOf, type News, queueOf, type Run } from "./run.ts"
import * as Screen from "./screen.ts"
import { layerOf, type Stack } from "./stack.ts"
import { indexTogether, isExact, type Report } from "./together.ts"

const silent: Screen.Screen = { show: () => Effect.void, say: () => Effect.void }

const makeRun = Effect.gen(function*() {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  return { name: basename(folder), index: join(folder, "index.json") }
})

const inMemory: Stack = {
  leases: { backend: "memory", url: "" },
  jobs: { backend: "memory", url: "" },
  topics: { backend: "memory", url: "" }
}

/** Notes what is said. */
const listener = () => {
  const said: Array<string> = []
  return { said, screen: { ...silent, say: (line: string) => Effect.sync(() => void said.push(line)) } }
}

/** All was struck, nothing was lost or doubled, and who was asked to end left nothing undone. */
const assertSurvived = (report: Report, said: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    assert.isTrue(yield* isExact(report))
    assert.isDefined(report.struck.killed)
    assert.isDefined(report.struck.stopped)
    assert.notStrictEqual(report.struck.killed, report.struck.stopped)
    assert.isTrue(report.isClean)
    assert.isAtLeast(report.board.terms, 2)
    assert.match(said.join("\n"), /leads[^]*was (killed|ended)[^]*is back after[^]*is stopped[^]*leads[^]*complete/)
  })

describe("in memory", () => {
  it.live("one worker is ended, the leader is stopped, and the index equals the sequential one", () =>
    Effect.gen(function*() {
      const { said, screen } = listener()
      const report = yield* indexTogether(fibers, { run: yield* makeRun, workers: 4, strikes: true, screen })
      yield* assertSurvived(report, said)
      assert.isAbove(report.files.length, 300)
      assert.isAbove(report.entry.kinds.get("const") ?? 0, 1000)
      // Batches went under the lock, and the catalogue had its bad moment at each worker that lived long enough.
      assert.isBelow(report.board.rows.reduce((sum, { merges }) => sum + merges, 0), report.board.total)
      assert.isTrue(report.board.rows.some(({ circuit, opened }) => opened > 0 && circuit === "closed"))
      report.entry.names.set("Effect", 1)
      assert.isFalse(yield* isExact(report))
    }).pipe(Effect.provide([layerOf(inMemory), NodeServices.layer])))

  it.live("who watches and hears nothing of the news sees the end in the index", () =>
    Effect.gen(function*() {
      const deaf = {
        ...fibers,
        start: (run: Run, worker: number) => Effect.provide(fibers.start(run, worker), Layer.fresh(Broker.layerMemory))
      }
      const report = yield* indexTogether(deaf, { run: yield* makeRun, workers: 2, strikes: false, screen: silent })
      assert.isTrue(yield* isExact(report))
      assert.strictEqual(report.board.terms, 0)
    }).pipe(Effect.provide([layerOf(inMemory), NodeServices.layer])))

  it.live("a leader that takes over plans what is left, and nothing twice", () =>
    Effect.gen(function*() {
      const run = yield* makeRun
      yield* IndexFile.create(run.index)
      const lock = DistributedLock.withLock(lockOf(run))
      yield* lock((lease) => IndexFile.merge(run.index, [{ chunk: 0, entry: Entry.empty() }], lease))
      const plans = yield* Deferred.make<void>()
      const tell = (news: News) => news._tag === "Planned" ? Deferred.succeed(plans, undefined) : Effect.void
      const first = yield* Effect.forkChild(lead(run, 1, tell))
      yield* Deferred.await(plans)
      yield* Fiber.interrupt(first)

      const seen: Array<number> = []
      yield* queueOf(run).process(({ number }) => Effect.sync(() => void seen.push(number)), { concurrency: 4 })
      const total = (yield* chunks).length
      const all = yield* Deferred.make<void>()
      let planned = 0
      const count = (news: News) => {
        if (news._tag === "Planned") planned += news.chunks
        return planned === total - 1 ? Deferred.succeed(all, undefined) : Effect.void
      }
      yield* Effect.forkChild(lead(run, 2, count))
      yield* Deferred.await(all)
      yield* Effect.repeat(queueOf(run).stats, { until: ({ claimed, waiting }) => claimed + waiting === 0 })
      assert.deepStrictEqual(
        seen.sort((one, other) => one - other),
        (yield* chunks).slice(1).map(({ number }) => number)
      )
    }).pipe(Effect.scoped, Effect.provide([layerOf(inMemory), NodeServices.layer])))

  it.live("the index refuses an older token, and leaves a chunk that is in it already", () =>
    Effect.gen(function*() {
      const { index, ...run } = yield* makeRun
      yield* IndexFile.create(index)
      const lock = DistributedLock.withLock(lockOf({ ...run, index }))
      const older = yield* lock((lease: Lease.Lease) => Effect.succeed(lease))
      const found = (chunk: number) => ({ chunk, entry: { names: new Map([["name", 1]]), kinds: new Map() } })
      yield* lock((lease) => IndexFile.merge(index, [found(0), found(1)], lease))
      yield* lock((lease) => IndexFile.merge(index, [found(1), found(2)], lease))
      const error = yield* Effect.flip(IndexFile.merge(index, [found(3)], older))
      assert.strictEqual(error._tag, "StaleToken")
      const { merged, names } = yield* IndexFile.read(index)
      assert.deepStrictEqual({ merged, names }, { merged: [0, 1, 2], names: { name: 3 } })
    }).pipe(Effect.provide([layerOf(inMemory), NodeServices.layer])))

  it("the table says who leads, who is gone, and how much is merged", () => {
    const board = Board.make(2, 4)
    Board.note(board, { _tag: "Leads", worker: 2, term: 1n })
    Board.note(board, { _tag: "Parses", worker: 1, chunk: 3 })
    Board.note(board, { _tag: "Merged", worker: 2, chunks: [0, 1] })
    Board.note(board, { _tag: "Merged", worker: 2, chunks: [1] })
    Board.note(board, { _tag: "Circuit", worker: 2, state: "open" })
    const [, first, second, bar] = Screen.table(board)
    assert.match(first ?? "", /^ {2}1 +parses chunk 3 +0 +0 +closed$/)
    assert.match(second ?? "", /^ {2}2 +leads +has merged +3 +2 +open, opened 1×$/)
    assert.match(bar ?? "", /^ {2}█{20}░{20} 2\/4 chunks merged/)
    Board.leave(board, 2, "was killed")
    Board.note(board, { _tag: "Parses", worker: 2, chunk: 3 })
    assert.match(Screen.table(board)[2] ?? "", /^ {2}2 +gone +was killed/)
  })
})

const redis = Effect.map(Servers.redis, ({ url }): Stack => {
  const place = { backend: "redis", url } as const
  return { leases: place, jobs: place, topics: place }
})

const postgres = Effect.map(Servers.postgres, ({ url }): Stack => {
  const place = { backend: "postgres", url } as const
  return { leases: place, jobs: place, topics: place }
})

const mix = Effect.gen(function*() {
  const [etcd, nats] = yield* Effect.all([Servers.etcd, Servers.nats], { concurrency: "unbounded" })
  const stack: Stack = {
    leases: { backend: "etcd", url: etcd.url },
    jobs: { backend: "nats", url: nats.url },
    topics: { backend: "nats", url: nats.url }
  }
  return stack
})

describe("with processes", () => {
  const stacks = [["redis", redis], ["postgres", postgres], ["etcd and nats", mix]] as const
  for (const [name, started] of stacks) {
    it.live(`on ${name}: one worker is killed, the leader is stopped, and the index equals the sequential one`, () =>
      Effect.gen(function*() {
        const stack = yield* started
        const { said, screen } = listener()
        const options = { run: yield* makeRun, workers: 3, strikes: true, screen }
        const report = yield* Effect.provide(indexTogether(processes(stack), options), layerOf(stack))
        yield* assertSurvived(report, said)
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
  }

  it.live("an interrupted run leaves no worker, no lock and no leader", () =>
    Effect.gen(function*() {
      const stack = yield* redis
      const run = yield* makeRun
      const merges = yield* Deferred.make<void>()
      const show = ({ merged }: Board.Board) => merged.size > 0 ? Deferred.succeed(merges, undefined) : Effect.void
      const options = {
        run,
        workers: 2,
        strikes: false,
        screen: { ...silent, show: (board: Board.Board) => Effect.asVoid(show(board)) }
      }
      yield* Effect.gen(function*() {
        const going = yield* Effect.forkChild(indexTogether(processes(stack), options))
        yield* Deferred.await(merges)
        yield* Fiber.interrupt(going)
        const { holder, waiters } = yield* DistributedLock.inspect(lockOf(run))
        assert.deepStrictEqual({ holder, waiters }, { holder: Option.none(), waiters: [] })
        assert.deepStrictEqual(yield* LeaderElection.leader(electionOf(run)), Option.none())
        assert.strictEqual((yield* queueOf(run).stats).claimed, 0)
      }).pipe(Effect.provide(layerOf(stack)))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
