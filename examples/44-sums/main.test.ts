import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { JobStore } from "heddle/messaging"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import type { Backend, Shared } from "./backend.ts"
import type { Crew } from "./crew.ts"
import { fibers } from "./fibers.ts"
import * as Memory from "./memory.ts"
import { processes } from "./processes.ts"
import { garbage, queuesOf } from "./queues.ts"
import * as RabbitMq from "./rabbitmq.ts"
import * as Redis from "./redis.ts"
import { addTogether, isRight, type Report } from "./together.ts"

// It starts while the other tests run.
const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const rabbitmq = Effect.runPromise(Scope.provide(Servers.rabbitmq, scope))

/** Runs the scene with a notebook for what is said. */
const options = () => {
  const said: Array<string> = []
  const say = (line: string) => Effect.sync(() => void said.push(line))
  return { run: randomUUID(), count: 100, workers: 3, kill: true, say, said }
}

const assertRight = (report: Report) => {
  assert.isTrue(isRight(report))
  assert.strictEqual(report.enqueued, 100)
  assert.strictEqual(report.sums.get(1), 10)
  assert.deepStrictEqual(report.dead.map(({ payload }) => new TextDecoder().decode(payload)), [garbage])
  assert.isAtLeast(report.told, report.sums.size)
}

describe("memory", () => {
  it.live("AC-35, AC-36.6, AC-40.3: each pair has its sum, and what is none is kept as it came", () =>
    Effect.gen(function*() {
      const { said, ...scene } = options()
      const report = yield* addTogether(fibers, scene)
      assertRight(report)
      assert.match(said.join("\n"), /worker 3 was interrupted/)
      assert.isFalse(isRight({ ...report, sums: new Map([...report.sums, [7, 0]]) }))
      assert.isFalse(isRight({ ...report, sums: new Map([...report.sums].slice(1)) }))
    }).pipe(Effect.provide(Memory.layer())))

  it.live("AC-40.3: a sum that is told twice counts once, and the first is kept", () =>
    Effect.gen(function*() {
      const { said: _, ...scene } = options()
      const { sums } = queuesOf(scene.run)
      // As after a worker that died when it had told a sum and its pair was not done; that it is another one shows which is kept.
      const told = sums.enqueueAll([{ number: 1, sum: -1 }, { number: 1, sum: -1 }])
      const crew: Crew<never, JobStore.JobStore> = {
        ...fibers,
        start: (order) =>
          order._tag === "Work" ? Effect.andThen(Effect.orDie(told), fibers.start(order)) : fibers.start(order)
      }
      const report = yield* addTogether(crew, { ...scene, kill: false })
      assert.strictEqual(report.sums.size, 100)
      assert.isAbove(report.told, 100)
      assert.strictEqual(report.sums.get(1), -1)
      assert.isTrue(isRight({ ...report, sums: new Map([...report.sums, [1, 10]]) }))
    }).pipe(Effect.provide(Memory.layer())))
})

const remote: ReadonlyArray<Backend & { readonly backend: Shared; readonly url: () => Promise<string> }> = [
  { backend: "redis", url: async () => inject("redisUrl"), layer: Redis.layer },
  { backend: "rabbitmq", url: async () => (await rabbitmq).url, layer: RabbitMq.layer }
]

for (const { backend, layer, url } of remote) {
  describe(backend, () => {
    it.live("AC-35, AC-36.3, AC-36.6, AC-40.3: a worker process is killed, and each pair has its sum once", () =>
      Effect.gen(function*() {
        const { said, ...scene } = options()
        const address = yield* Effect.promise(url)
        const report = yield* Effect.provide(addTogether(processes(backend, address), scene), layer(address))
        assertRight(report)
        const [, number] = /worker 3 was killed \(SIGKILL\) at pair (\d+)/.exec(said.join("\n")) ?? []
        const again = said.filter((line) => line.endsWith(`adds pair ${number}, which was begun before`))
        assert.strictEqual(again.length, 1, said.join("\n"))
      }).pipe(Effect.provide(NodeServices.layer)))
  })
}

describe("the program", () => {
  it("tells the sums, and Ctrl-C ends it in the middle", async () => {
    const main = fileURLToPath(new URL("main.ts", import.meta.url))
    const start = (...args: ReadonlyArray<string>) =>
      spawn(process.execPath, ["--conditions=@heddle/source", main, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    const whole = start()
    let output = ""
    whole.stdout.on("data", (data) => output += String(data))
    assert.deepStrictEqual(await once(whole, "close"), [0, null])
    assert.match(output, /4 and 6 make 10\n200 pairs.*\neach pair has its sum: yes/)
    const cut = start("--backend", "rabbitmq", "--url", (await rabbitmq).url, "--workers", "2", "--kill")
    await once(cut.stdout, "data")
    cut.kill("SIGINT")
    assert.deepStrictEqual(await once(cut, "close"), [130, null])
  })
})
