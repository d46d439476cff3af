import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import type { Backend, Shared } from "./backend.ts"
import { fibers } from "./fibers.ts"
import * as Memory from "./memory.ts"
import * as Nats from "./nats.ts"
import * as Postgres from "./postgres.ts"
import { processes } from "./processes.ts"
import type { Progress } from "./progress.ts"
import { queueOf } from "./queue.ts"
import * as Redis from "./redis.ts"
import { indexTogether, isExact } from "./together.ts"

const silent: Progress = { done: () => Effect.void, say: () => Effect.void }

/** Notes what is said. */
const listener = () => {
  const said: Array<string> = []
  return { said, progress: { ...silent, say: (line: string) => Effect.sync(() => void said.push(line)) } }
}

const nothing = { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false }
const assertEmpty = (run: string) => Effect.map(queueOf(run).stats, (stats) => assert.deepStrictEqual(stats, nothing))

describe("memory", () => {
  it.live("each file is in the index once, also when a worker is stopped while it works", () =>
    Effect.gen(function*() {
      const { progress, said } = listener()
      const run = randomUUID()
      const report = yield* indexTogether(fibers, { run, workers: 4, kill: true, progress })
      assert.isAbove(report.files.length, 300)
      assert.isAbove(report.begun, report.files.length)
      assert.match(said.join("\n"), /worker 4 was interrupted/)
      yield* assertEmpty(run)
      assert.isTrue(yield* isExact(report))
      assert.isFalse(yield* isExact({ ...report, entries: report.entries.slice(1) }))
      const [first, ...others] = report.entries
      if (first === undefined) return assert.fail()
      assert.isFalse(yield* isExact({ ...report, entries: [{ ...first, sha256: "" }, ...others] }))
    }).pipe(Effect.provide([Memory.layer(), NodeServices.layer])))
})

const remote: ReadonlyArray<Backend & { readonly backend: Shared; readonly url: string }> = [
  { backend: "redis", url: inject("redisUrl"), layer: Redis.layer },
  { backend: "postgres", url: inject("postgresUrl"), layer: Postgres.layer },
  { backend: "nats", url: inject("natsUrl"), layer: Nats.layer }
]

for (const { backend, layer, url } of remote) {
  describe(backend, () => {
    it.live("a worker process is killed while it works, and each file is in the index once", () =>
      Effect.gen(function*() {
        const { progress, said } = listener()
        const run = randomUUID()
        const report = yield* indexTogether(processes(backend, url), { run, workers: 3, kill: true, progress })
        assert.isTrue(yield* isExact(report))
        const [killed = "", ...again] = said
        const [, path] = /^worker 3 was killed \(SIGKILL\) while it worked on (.*)$/.exec(killed) ?? []
        assert.isTrue(again.some((line) => line.endsWith(`does ${path}, which was begun before`)), said.join("\n"))
        // The victim may have died before it told what it had begun.
        assert.isAtMost(report.begun, report.files.length + again.length)
        assert.isAtLeast(report.begun, report.files.length)
        yield* assertEmpty(run)
      }).pipe(Effect.provide([layer(url), NodeServices.layer])))

    it.live("an interrupted run leaves nothing in the queue", () =>
      Effect.gen(function*() {
        const run = randomUUID()
        const frozen = yield* Deferred.make<void>()
        // The last worker stands still with files in its hands for as long as this does not return.
        const progress = { ...silent, say: () => Effect.andThen(Deferred.succeed(frozen, undefined), Effect.never) }
        const running = yield* Effect.forkChild(
          indexTogether(processes(backend, url), { run, workers: 2, kill: true, progress })
        )
        yield* Deferred.await(frozen)
        const { claimed, waiting } = yield* queueOf(run).stats
        assert.isTrue(claimed > 0 && waiting > 0, `${claimed} claimed, ${waiting} waiting`)
        yield* Fiber.interrupt(running)
        yield* assertEmpty(run)
      }).pipe(Effect.provide([layer(url), NodeServices.layer])))
  })
}

describe("the program", () => {
  it("ends with the table, and Ctrl-C ends it in the middle", async () => {
    const main = fileURLToPath(new URL("main.ts", import.meta.url))
    const start = (...args: ReadonlyArray<string>) =>
      spawn(process.execPath, ["--conditions=@heddle/source", main, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    const whole = start()
    let output = ""
    whole.stdout.on("data", (data) => output += String(data))
    assert.deepStrictEqual(await once(whole, "close"), [0, null])
    assert.match(output, /\d+\/\d+ files/)
    assert.match(output, /each file once, and as one alone reads it: yes/)
    const cut = start("--backend", "redis", "--url", inject("redisUrl"), "--workers", "2")
    await once(cut.stdout, "data")
    cut.kill("SIGINT")
    assert.deepStrictEqual(await once(cut, "close"), [130, null])
  })
})
