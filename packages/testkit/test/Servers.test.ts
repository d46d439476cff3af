import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import { readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { find } from "../src/internal/Binaries.ts"
import { tryLock, unlock } from "../src/internal/PidLock.ts"
import * as Ports from "../src/internal/Ports.ts"
import { isGone, isStopped, members } from "../src/internal/ProcessTree.ts"
import { ask as redisAsk } from "../src/internal/redis.ts"
import * as TempFolder from "../src/internal/TempFolder.ts"
import { until } from "../src/internal/until.ts"
import * as Server from "../src/Server.ts"
import * as Servers from "../src/Servers.ts"

/** The first line that the server answers to an inline command, or the code of the socket's error. */
const ask = (port: number, command: string) =>
  Effect.callback<string>((resume) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`))
    let text = ""
    socket.on("data", (data) => {
      text += data.toString()
      // "$-1" is no value; a value comes as its length and then itself.
      const value = /^\$\d+\r\n(.*)\r\n/.exec(text)?.[1] ?? /^([^$].*|\$-1)\r\n/.exec(text)?.[1]
      if (value === undefined) return
      socket.destroy()
      resume(Effect.succeed(value))
    })
    socket.on("error", (error) => resume(Effect.succeed("code" in error ? String(error.code) : error.message)))
    // A sentinel that makes a replica of a primary ends its clients' connections.
    socket.on("close", () => resume(Effect.succeed("closed")))
    return Effect.sync(() => socket.destroy())
  })

const etcdCall = (url: string, method: string, body: Record<string, string>) =>
  Effect.tryPromise(async (signal) => {
    const response = await globalThis.fetch(`${url}/v3/kv/${method}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal
    })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text
  })

/** The column of the first row that a query gives, the error's fields, or the code of the socket's error. */
const query = (port: number, sql: string, column = 0) =>
  Effect.callback<string>((resume) => {
    const message = (type: string, body: string) => {
      const head = Buffer.from(`${type}\0\0\0\0`, "latin1")
      head.writeUInt32BE(Buffer.byteLength(body) + 4, type.length)
      return Buffer.concat([head, Buffer.from(body)])
    }
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(message("", "\0\x03\0\0user\0postgres\0\0"))
      socket.write(message("Q", `${sql}\0`))
    })
    let received = Buffer.alloc(0)
    let answer = ""
    let ready = 0
    const end = (result: string) => {
      socket.destroy()
      resume(Effect.succeed(result))
    }
    socket.on("data", (data) => {
      received = Buffer.concat([received, data])
      while (received.length >= 5 && received.length > received.readUInt32BE(1)) {
        const [type, body] = [received.toString("latin1", 0, 1), received.subarray(5, received.readUInt32BE(1) + 1)]
        received = received.subarray(body.length + 5)
        if (type === "E") answer = body.toString()
        if (type === "D" && answer === "") {
          let at = 2
          for (let skip = 0; skip < column; skip++) at += 4 + Math.max(0, body.readInt32BE(at))
          answer = body.toString("utf8", at + 4, at + 4 + Math.max(0, body.readInt32BE(at)))
        }
        if (type === "Z" && ++ready === 2) end(answer)
      }
    })
    socket.on("error", (error) => end("code" in error ? String(error.code) : error.message))
    socket.on("close", () => end(answer))
    return Effect.sync(() => socket.destroy())
  })

const asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"

const base64 = (text: string) => Buffer.from(text).toString("base64")
const put = (url: string, value: string) => etcdCall(url, "put", { key: base64("key"), value: base64(value) })
const get = (url: string) =>
  Effect.map(etcdCall(url, "range", { key: base64("key") }), (text) => {
    const value = /"value":"([^"]*)"/.exec(text)?.[1]
    return value === undefined ? undefined : Buffer.from(value, "base64").toString()
  })

/** Runs an effect with other environment variables. */
const withEnv = (changed: Record<string, string>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = Object.keys(changed).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, changed)
      return before
    }),
    () => effect,
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const isRefused = (port: number) => Effect.map(ask(port, "PING"), (answer) => answer === "ECONNREFUSED")

describe("redis", () => {
  it.live(
    "answers, refuses after kill, and comes back on its port with or without its data",
    () =>
      Effect.gen(function*() {
        const redis = yield* Servers.redis
        assert.strictEqual(redis.url, `redis://127.0.0.1:${redis.port}`)
        assert.strictEqual(yield* ask(redis.port, "PING"), "+PONG")
        assert.strictEqual(yield* ask(redis.port, "SET k v"), "+OK")
        const first = yield* redis.pid
        yield* redis.kill
        assert.strictEqual(yield* ask(redis.port, "PING"), "ECONNREFUSED")
        assert.strictEqual((yield* Effect.flip(redis.pid)).reason, "Down")
        assert.strictEqual((yield* Effect.flip(redis.stop)).reason, "Down")
        yield* redis.kill
        yield* redis.restart()
        assert.notStrictEqual(yield* redis.pid, first)
        assert.strictEqual(yield* ask(redis.port, "GET k"), "v")
        yield* redis.restart({ keepData: false })
        assert.strictEqual(yield* ask(redis.port, "GET k"), "$-1")
        assert.strictEqual((yield* redis.logs).split("Ready to accept connections").length, 4)
      })
  )

  it.live(
    "of a cluster serve all slots between them, and keep their places without their data",
    () =>
      Effect.gen(function*() {
        const nodes = yield* Servers.redisCluster({ replicas: 1 })
        assert.strictEqual(nodes.length, 4)
        const [first, , , replica = first] = nodes
        for (const { port } of nodes) assert.match(yield* redisAsk(port, "CLUSTER INFO"), /cluster_slots_ok:16384/)
        // "{}" has the slot 15257: the last master's.
        const answers = yield* Effect.forEach(nodes, ({ port }) => ask(port, "SET {} v"))
        assert.deepStrictEqual(answers.map((answer) => answer.slice(0, 12)), [
          "-MOVED 15257",
          "-MOVED 15257",
          "+OK",
          "-MOVED 15257"
        ])
        assert.match(yield* redisAsk(replica.port, "INFO replication"), /role:slave[^]*master_link_status:up/)
        assert.strictEqual(yield* ask(first.port, "SET foo{06S} v"), "+OK")
        yield* first.restart({ keepData: false })
        assert.strictEqual(yield* ask(first.port, "GET foo{06S}"), "$-1")
      })
  )

  it.live(
    "behind sentinels are a primary and its replica, and the replica takes the place of one that is gone",
    () =>
      Effect.gen(function*() {
        const { name, primary, replica, sentinels } = yield* Servers.redisSentinel
        const isPrimary = (port: number) =>
          Effect.map(
            redisAsk(sentinels[0].port, `SENTINEL GET-MASTER-ADDR-BY-NAME ${name}`),
            (answer) => answer.includes(`${port}`)
          )
        assert.isTrue(yield* isPrimary(primary.port))
        assert.strictEqual(yield* ask(primary.port, "SET k v"), "+OK")
        yield* until(Effect.map(ask(replica.port, "GET k"), (value) => value === "v"), "10 seconds")
        yield* primary.kill
        assert.isTrue(yield* until(isPrimary(replica.port), "30 seconds"))
        assert.isTrue(
          yield* until(Effect.map(ask(replica.port, "SET k w"), (answer) => answer === "+OK"), "10 seconds")
        )
        yield* primary.restart()
        assert.isTrue(yield* until(Effect.map(ask(primary.port, "GET k"), (value) => value === "w"), "30 seconds"))
      }),
    90_000
  )

  it.live("a stopped server does not answer until it continues", () =>
    Effect.gen(function*() {
      const redis = yield* Servers.redis
      yield* redis.stop
      const answer = yield* Effect.forkChild(ask(redis.port, "PING"), { startImmediately: true })
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.join(answer), "100 millis")))
      const late = yield* Effect.forkChild(ask(redis.port, "PING"), { startImmediately: true })
      yield* redis.continue
      assert.strictEqual(yield* Fiber.join(late).pipe(Effect.timeout("5 seconds")), "+PONG")
    }))

  it.live("a stopped server can be killed and ends with its scope", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.gen(function*() {
        const redis = yield* Servers.redis
        yield* redis.stop
        yield* redis.kill
        assert.isTrue(yield* isRefused(redis.port))
        yield* redis.restart()
        yield* redis.stop
        return redis.port
      }))
      assert.isTrue(yield* isRefused(port))
    }))

  it.live("several nodes know nothing of each other", () =>
    Effect.gen(function*() {
      const nodes = yield* Servers.redisNodes(5)
      assert.deepStrictEqual(nodes.map(({ name }) => name), ["redis-1", "redis-2", "redis-3", "redis-4", "redis-5"])
      assert.strictEqual(new Set(nodes.map(({ port }) => port)).size, 5)
      assert.strictEqual(yield* ask(nodes[0].port, "SET k v"), "+OK")
      for (const node of nodes.slice(1)) assert.strictEqual(yield* ask(node.port, "GET k"), "$-1")
    }))

  it.effect("a server starts in real time, also in a test that drives its own clock", () =>
    Effect.gen(function*() {
      const redis = yield* Servers.redis
      assert.strictEqual(yield* ask(redis.port, "PING"), "+PONG")
    }))

  it.live(
    "no server outlives a runner that is killed, stopped or not, and the next runner sweeps its folders",
    () =>
      Effect.gen(function*() {
        const runner = yield* run(`
        const [one, two] = yield* Servers.redisNodes(2)
        yield* two.stop
        console.log(JSON.stringify([one.port, two.port]))
        yield* Effect.never
      `)
        const [one = 0, two = 0] = JSON.parse(yield* runner.line) as ReadonlyArray<number>
        assert.strictEqual(yield* ask(one, "PING"), "+PONG")
        runner.child.kill("SIGKILL")
        assert.isTrue(yield* until(isRefused(one), "5 seconds"))
        assert.isTrue(yield* until(isRefused(two), "5 seconds"))
        const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`heddle-${runner.child.pid}-`))
        assert.strictEqual(left().length, 2)
        const next = yield* run(`yield* Servers.redis; console.log("up")`)
        assert.strictEqual(yield* next.line, "up")
        assert.deepStrictEqual(left(), [])
      })
  )
})

describe("etcd", () => {
  it.live("one server is healthy and keeps its data across a restart", () =>
    Effect.gen(function*() {
      const etcd = yield* Servers.etcd
      yield* put(etcd.url, "v")
      yield* etcd.restart()
      assert.strictEqual(yield* get(etcd.url), "v")
      yield* etcd.restart({ keepData: false })
      assert.strictEqual(yield* get(etcd.url), undefined)
    }))

  it.live(
    "a cluster of three goes on without one member, which catches up when it is back",
    () =>
      Effect.gen(function*() {
        const [a, b, c] = yield* Servers.etcdCluster(3)
        assert(b !== undefined && c !== undefined)
        yield* put(a.url, "before")
        yield* a.kill
        const written = put(b.url, "after").pipe(Effect.timeout("1 second"), Effect.isSuccess)
        assert.isTrue(yield* until(written, "15 seconds"))
        assert.strictEqual(yield* get(c.url), "after")
        yield* a.restart()
        assert.strictEqual(yield* get(a.url), "after")
      }),
    120_000
  )
})

describe("postgres", () => {
  it.live("keeps what was committed over kill and restart, and forgets it when asked to", () =>
    Effect.gen(function*() {
      const postgres = yield* Servers.postgres
      assert.strictEqual(postgres.url, `postgres://postgres@127.0.0.1:${postgres.port}/postgres`)
      yield* query(postgres.port, "create table t as select 'kept' as v")
      assert.strictEqual(yield* query(postgres.port, "select v from t"), "kept")
      yield* postgres.kill
      assert.strictEqual(yield* query(postgres.port, "select 1"), "ECONNREFUSED")
      yield* postgres.restart()
      assert.strictEqual(yield* query(postgres.port, "select v from t"), "kept")
      yield* postgres.restart({ keepData: false })
      assert.include(yield* query(postgres.port, "select v from t"), "42P01")
    }))

  it.live("a stopped server stands still as a whole, and goes on as a whole", () =>
    Effect.gen(function*() {
      const postgres = yield* Servers.postgres
      // A session that is there already is served by a process of its own.
      const session = yield* Effect.forkChild(query(postgres.port, "select pg_sleep(2), 'awake'", 1))
      assert.isTrue(yield* until(Effect.map(query(postgres.port, asleep), (answer) => answer === "1"), "1 second"))
      yield* postgres.stop
      assert.isTrue(members(yield* postgres.pid).every(isStopped))
      const late = yield* Effect.forkChild(query(postgres.port, "select 'late'"), { startImmediately: true })
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Fiber.join(late), "100 millis")))
      const again = yield* Effect.forkChild(query(postgres.port, "select 'again'"), { startImmediately: true })
      yield* postgres.continue
      const answers = Effect.all([Fiber.join(session), Fiber.join(again)])
      assert.deepStrictEqual(yield* Effect.timeout(answers, "10 seconds"), ["awake", "again"])
    }))

  it.live(
    "killed while it is stopped, none of its processes is left, with or without its runner",
    () =>
      Effect.gen(function*() {
        const ids = yield* Effect.scoped(Effect.gen(function*() {
          const postgres = yield* Servers.postgres
          yield* postgres.stop
          return members(yield* postgres.pid)
        }))
        assert.isAbove(ids.length, 3)
        assert.isTrue(ids.every(isGone))
        const runner = yield* run(`
        const postgres = yield* Servers.postgres
        yield* postgres.stop
        console.log(yield* postgres.pid)
        yield* Effect.never
      `)
        const orphans = members(Number(yield* runner.line))
        assert.isAbove(orphans.length, 3)
        runner.child.kill("SIGKILL")
        assert.isTrue(yield* until(Effect.sync(() => orphans.every(isGone)), "5 seconds"))
      }),
    120_000
  )
})

describe("rabbitmq", () => {
  it.live("leaves no process behind, not Erlang's register of names either", () =>
    Effect.gen(function*() {
      /** The commands of all processes that were started for a server. */
      const commands = (port: number) =>
        readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
          try {
            const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0")
            if (!environment.includes(`RABBITMQ_NODE_PORT=${port}`) || isGone(Number(pid))) return []
            return [basename(readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[0] ?? "")]
          } catch {
            return []
          }
        })
      const port = yield* Effect.scoped(Effect.gen(function*() {
        const { kill, port } = yield* Servers.rabbitmq
        assert.includeMembers(commands(port), ["beam.smp", "epmd"])
        yield* kill
        assert.notInclude(commands(port), "epmd")
        return port
      }))
      assert.isTrue(yield* until(Effect.sync(() => commands(port).length === 0), "10 seconds"))
    }), 120_000)
})

describe("errors", () => {
  it.live("a server that ends while it starts says why, and its log is kept", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Server.make({
        name: "broken",
        port: yield* Ports.reserve,
        url: "",
        command: () => ["/bin/sh", "-c", "echo this is why; exit 3"],
        env: {},
        ready: Effect.never
      }))
      assert.strictEqual(error.reason, "Start")
      assert.include(error.message, "code 3")
      assert.include(error.message, "this is why")
      const path = /The whole log: (.*)/.exec(error.message)?.[1] ?? ""
      assert.strictEqual(readFileSync(path, "utf8"), "this is why\n")
      rmSync(path)
    }))

  it.live("a program that is nowhere names the package and the variable", () =>
    Effect.gen(function*() {
      const cache = yield* TempFolder.make("cache")
      const error = yield* find({
        command: "heddle-nothing",
        debian: "nothing-server",
        brew: "nothing",
        variable: "NOTHING_URL",
        example: "no://1"
      }).pipe(Effect.flip, withEnv({ PATH: "/nowhere", HEDDLE_CACHE: cache }))
      assert.strictEqual(error.reason, "Missing")
      assert.include(error.message, "apt-get install nothing-server")
      assert.include(error.message, "NOTHING_URL")
    }))

  it.live("addresses from the environment are used as they are, and nobody may harm them", () =>
    Effect.gen(function*() {
      const redis = yield* Servers.redis
      assert.deepStrictEqual([redis.url, redis.host, redis.port], ["redis://10.0.0.1:7001", "10.0.0.1", 7001])
      for (const verb of [redis.kill, redis.stop, redis.continue, redis.restart(), redis.logs, redis.data]) {
        assert.strictEqual((yield* Effect.flip(verb)).reason, "NotOwned")
      }
      const nodes = yield* Servers.redisNodes(2)
      assert.deepStrictEqual(nodes.map(({ port }) => port), [7001, 7002])
      const error = yield* Effect.flip(Servers.etcd)
      assert.include(error.message, "protocol://host:port")
    }).pipe(withEnv({ HEDDLE_REDIS_URL: "redis://10.0.0.1:7001, redis://10.0.0.2:7002", HEDDLE_ETCD_URL: "nonsense" })))
})

describe("locks", () => {
  it.live("a lock has one holder, and outlives neither its release nor its process", () =>
    Effect.gen(function*() {
      const lock = join(yield* TempFolder.make("lock"), "lock")
      assert.isTrue(tryLock(lock))
      assert.isFalse(tryLock(lock))
      unlock(lock)
      const gone = spawn("true")
      yield* Effect.callback<void>((resume) => {
        gone.once("exit", () => resume(Effect.void))
      })
      symlinkSync(String(gone.pid), lock)
      assert.isTrue(tryLock(lock))
      assert.isFalse(tryLock(lock))
    }))

  it.live("a reserved port is nobody else's while its server is down", () =>
    Effect.gen(function*() {
      const random = Math.random
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          Math.random = () => 0.5
        }),
        () =>
          Effect.sync(() => {
            Math.random = random
          })
      )
      const ports = [yield* Ports.reserve, yield* Ports.reserve]
      const again = yield* Effect.scoped(Ports.reserve)
      assert.strictEqual(new Set([...ports, again]).size, 3)
      assert.strictEqual(yield* Ports.reserve, again)
    }))
})

/** A process of its own that runs the lines in a scope, and the first line that it prints. */
const run = (lines: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const source = `
        import * as Effect from "effect/Effect"
        import * as Servers from ${JSON.stringify(new URL("../src/Servers.ts", import.meta.url).href)}
        await Effect.runPromise(Effect.scoped(Effect.gen(function*() { ${lines} })))
      `
      const args = ["--conditions=@heddle/source", "--input-type=module", "--eval", source]
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
      const line = Effect.callback<string>((resume) => {
        child.stdout.once("data", (data: Buffer) => resume(Effect.succeed(data.toString().trim())))
        child.once("exit", (code) => resume(Effect.die(new Error(`the runner ended with ${code} and printed nothing`))))
      }).pipe(Effect.timeout("20 seconds"))
      return { child, line }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )
