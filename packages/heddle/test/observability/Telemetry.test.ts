import { assert, describe, it } from "@effect/vitest"
import { InterruptSweep } from "@heddle/testkit"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Tracer from "effect/Tracer"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { FanOut, WorkerPool } from "heddle/flow"
import { Telemetry } from "heddle/observability"
import { Bulkhead } from "heddle/resilience"
import { globSync, readFileSync } from "node:fs"
import { everyPattern } from "./everyPattern.ts"
import { readExposition } from "./exposition.ts"

const fresh = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

const rows = new Map(Telemetry.metrics.map((row) => [row.name, row]))
const names = [...rows.keys()].toSorted()

/** Counted by `@heddle/grpc` and `@heddle/postgres`, whose own tests hold it against the catalogue. */
const elsewhere = new Set(
  Telemetry.metrics.filter(({ of }) => of === "gRPC" || of === "PostgresOutbox").map(({ name }) => name)
)

/** What is in the registry and breaks the catalogue. */
const strangers = (all: ReadonlyArray<Metric.Metric.Snapshot>) =>
  all.flatMap(({ attributes = {}, description, id, type }) => {
    const row = rows.get(id)
    if (row === undefined) return [`${id} is not in the catalogue`]
    const labels = Object.entries(attributes).flatMap(([label, value]) => {
      const values = row.labels[label]
      return values === "named" || values?.includes(value) === true ? [] : [`${id} has ${label}="${value}"`]
    })
    return [
      ...labels,
      ...(row.type === type.toLowerCase() ? [] : [`${id} is a ${type}`]),
      ...(row.description === description ? [] : [`${id}: ${description}`])
    ]
  })

/** Every table of a page whose first column is code, as rows of plain cells. */
const tableOf = (page: string) =>
  page.split("\n").filter((line) => line.startsWith("| `")).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  )

const read = (path: string) => readFileSync(path, "utf8")
const page = read("docs/observability.md")

describe("the catalogue", () => {
  it.effect("has every metric that a pattern registers, and has none that no pattern does", () =>
    fresh(Effect.gen(function*() {
      yield* everyPattern("1")
      const all = yield* Metric.snapshot
      assert.deepEqual(strangers(all), [])
      const patterns = Telemetry.metrics.filter(({ name, of }) => of !== "runtime" && !elsewhere.has(name))
        .map(({ name }) => name)
      assert.deepEqual([...new Set(all.map(({ id }) => id))].toSorted(), patterns.toSorted())
    })))

  it.effect(
    "AC-16.1: there are no more series after a hundred jobs than after one",
    () =>
      fresh(Effect.gen(function*() {
        yield* everyPattern("1")
        const before = (yield* Metric.snapshot).length
        for (let job = 2; job <= 100; job++) yield* everyPattern(String(job))
        assert.strictEqual((yield* Metric.snapshot).length, before)
      }))
  )

  it.effect("has every span that a pattern opens, with its attributes, and has none that no pattern does", () =>
    fresh(Effect.gen(function*() {
      const opened = new Map<string, Set<string>>()
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          const end = span.end.bind(span)
          span.end = (at, exit) => {
            const attributes = opened.get(span.name) ?? new Set()
            opened.set(span.name, attributes)
            for (const key of span.attributes.keys()) attributes.add(key)
            end(at, exit)
          }
          return span
        }
      })
      yield* Effect.withTracer(everyPattern("1"), tracer)
      const seen = Array.from(opened, ([name, attributes]) => [name, [...attributes].toSorted()] as const)
      const known = Telemetry.spans.map(({ attributes, name }) => [name, [...attributes].toSorted()] as const)
      const byName = (all: typeof known) => Object.fromEntries(all)
      assert.deepEqual(byName(seen), byName(known))
    })))

  it("names every metric that the sources name", () => {
    const sources = globSync("packages/*/src/**/*.ts").filter((path) => !path.includes("/observability/"))
    const literal = /(?:Metric\.(?:counter|gauge|histogram)|tally|outcomes(?:<[^>]*>)?)\(\s*"([^"]+)"/g
    const noun = /\b(?:family(?:<[^>]*>)?|poolMetrics)\("([^"]+)"/g
    const code = sources.map(read).join("\n")
    const literals = [...code.matchAll(literal)].map(([, name = ""]) => name)
    assert.isAbove(literals.length, 15)
    assert.deepEqual(literals.filter((name) => !rows.has(name)), [])
    const nouns = [...code.matchAll(noun)].map(([, name = ""]) => name)
    assert.isAbove(nouns.length, 7)
    assert.deepEqual(nouns.filter((noun) => !names.some((name) => name.startsWith(`heddle_${noun}_`))), [])
  })

  it("gives no two metrics one name, also where a counter's `_total` is left out", () => {
    const bare = Telemetry.metrics.map(({ name }) => name.replace(/_total$/, ""))
    assert.strictEqual(new Set(bare).size, bare.length)
  })
})

describe("the documents", () => {
  it("docs/observability.md has the catalogue's metrics and spans, row for row", () => {
    const table = tableOf(page)
    const values = (all: Telemetry.LabelValues) => all === "named" ? "" : `: ${all.join(", ")}`
    const metrics = Telemetry.metrics.map(({ description, labels, name, type, unit }) => [
      name,
      type,
      unit,
      Object.entries(labels).map(([label, all]) => `${label}${values(all)}`).join("; "),
      description
    ])
    const spans = Telemetry.spans.map(({ attributes, name, spans }) => [name, attributes.join(", "), spans])
    assert.deepEqual(table.filter(([name = ""]) => /^[a-z]/.test(name)), metrics)
    assert.deepEqual(table.filter(([name = ""]) => /^[A-Z]\w+\.\w/.test(name)), spans)
  })

  it("no page names a metric that there is not", () => {
    const wrong = globSync("docs/**/*.md").flatMap((path) =>
      [...read(path).matchAll(/`(heddle_[a-z_]+[a-z])`/g)].flatMap(([, name = ""]) =>
        rows.has(name) ? [] : [`${path}: ${name}`]
      )
    )
    assert.deepEqual(wrong, [])
  })

  it("the dashboard asks for metrics and labels of the catalogue only", () => {
    const dashboard: unknown = JSON.parse(read("docs/observability/grafana.json"))
    const asked: Array<string> = []
    JSON.stringify(dashboard, (key, value: unknown) => {
      if (key === "expr" && typeof value === "string") asked.push(value)
      return value
    })
    assert.isAbove(asked.length, 15)
    const wrong = asked.flatMap((expr) =>
      [...expr.matchAll(/\b((?:heddle|nodejs|v8js|process|effect)_[a-z0-9_]+)/g)].flatMap(([, id = ""]) => {
        const histogram = rows.get(id.replace(/_(bucket|sum|count)$/, ""))
        return rows.has(id) || histogram?.type === "histogram" ? [] : [id]
      })
    )
    assert.deepEqual(wrong.filter((id) => ![...rows.values()].some(({ labels }) => id in labels)), [])
    for (const pattern of new Set(Telemetry.metrics.map(({ of }) => of))) {
      const mine = Telemetry.metrics.filter(({ of }) => of === pattern).map(({ name }) => name)
      assert.isTrue(asked.some((expr) => mine.some((name) => expr.includes(name))), `no panel asks for ${pattern}`)
    }
  })
})

describe("the text for Prometheus", () => {
  it.effect("is what the format allows and promtool likes, of every pattern and of the process", () =>
    fresh(Effect.gen(function*() {
      yield* everyPattern("1")
      const text = yield* Effect.scoped(
        Effect.andThen(Layer.build(Telemetry.layerRuntime), PrometheusMetrics.format())
      )
      const { families, violations } = readExposition(text)
      assert.deepEqual(violations, [])
      // Collections and delays come when there were some.
      const late = new Set(["nodejs_eventloop_delay_seconds", "v8js_gc_duration_seconds"])
      assert.deepEqual([...families.keys()].toSorted(), names.filter((name) => !late.has(name) && !elsewhere.has(name)))
    })))

  it("is not taken for right where it is not", () => {
    const wrong = (text: string) => readExposition(text).violations.length
    const head = "# HELP a_total x\n# TYPE a_total counter\n"
    const histogram = "# HELP a x\n# TYPE a histogram\n"
    assert.strictEqual(wrong(`${head}a_total{b="c"} 1\n`), 0)
    const broken = [
      `${head}a_total{b="c"} 1\na_total{b="c"} 2\n`,
      `${head}a_total{b="c} 1\n`,
      `${head}a_total 1`,
      `${head}b_total 1\n`,
      `${head}a_total one\n`,
      `${head}a_total{b="c",b="d"} 1\n`,
      "# TYPE a_total counter\na_total 1\n",
      "# HELP a x\n# TYPE a counter\na 1\n",
      "# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n",
      "# HELP aB x\n# TYPE aB gauge\naB 1\n",
      `${histogram}a_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n`,
      `${histogram}a_bucket{le="1"} 1\na_sum 1\na_count 1\n`
    ]
    assert.deepEqual(broken.map((text) => wrong(text) > 0), broken.map(() => true))
  })

  it.effect("AC-16.1: has what the pool of the original had, each of its metrics by one of ours, with a bounded name for its label", () =>
    fresh(
      Effect.gen(function*() {
        const pool = yield* WorkerPool.make({ size: 1, queue: 1, whenFull: "reject", name: "mail" })
        yield* pool.submit(Effect.void)
        yield* Effect.exit(pool.submit(Effect.fail("job_error")))
        const gate = yield* Deferred.make<void>()
        const [runs, waits] = yield* Effect.replicateEffect(
          Effect.forkChild(pool.submit(Deferred.await(gate)), { startImmediately: true }),
          2
        )
        yield* Effect.exit(pool.submit(Effect.void))
        yield* Layer.build(Telemetry.layerRuntime)
        const text = yield* PrometheusMetrics.format()
        const { families, violations } = readExposition(text)
        assert.deepEqual(violations, [])
        const ours = {
          "requests_total, status success": ["heddle_worker_pool_completed_total", "counter", `{name="mail"} 1`],
          "requests_total, status failure": ["heddle_worker_pool_failed_total", "counter", `{name="mail"} 1`],
          "errors_total, queue_full": ["heddle_worker_pool_refused_total", "counter", `{name="mail"} 1`],
          "request_duration_seconds": ["heddle_worker_pool_latency_seconds", "histogram", `_count{name="mail"} 2`],
          "worker_pool_size": ["heddle_worker_pool_size", "gauge", `{name="mail"} 1`],
          "queue_depth": ["heddle_worker_pool_depth", "gauge", `{name="mail"} 1`],
          "in_flight_requests": ["heddle_worker_pool_active", "gauge", `{name="mail"} 1`],
          "goroutines_total": ["effect_fibers_active", "gauge", " "]
        } as const
        for (const [theirs, [name, type, sample]] of Object.entries(ours)) {
          assert.deepInclude(families.get(name), { type, series: 1 }, theirs)
          assert.include(text, `\n${name}${sample}`, theirs)
        }
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.forEach([runs, waits].flatMap((fiber) => fiber ?? []), Fiber.join)
      }).pipe(Effect.scoped)
    ))

  it.effect("AC-16.2, AC-16.4: what ended is what was done, and what runs is nothing in the end; in between it adds up", () =>
    fresh(
      Effect.gen(function*() {
        const value = (text: string, id: string) => {
          const line = text.split("\n").find((line) => line.startsWith(`heddle_worker_pool_${id}{`))
          return Number(line?.split(" ").at(-1))
        }
        const gate = yield* Deferred.make<void>()
        const pool = yield* WorkerPool.make({ size: 3, queue: 20, name: "mail" })
        const job = (n: number) => Effect.andThen(Deferred.await(gate), n % 2 === 0 ? Effect.void : Effect.fail("odd"))
        const jobs = yield* Effect.forEach(
          Array.from({ length: 10 }, (_, n) => n),
          (n) => Effect.forkChild(pool.submit(job(n)), { startImmediately: true })
        )
        const during = yield* PrometheusMetrics.format()
        assert.deepEqual([value(during, "active"), value(during, "depth"), value(during, "completed_total")], [3, 7, 0])
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.awaitAll(jobs)
        const after = yield* PrometheusMetrics.format()
        assert.deepEqual([value(after, "active"), value(after, "depth")], [0, 0])
        assert.deepEqual([value(after, "completed_total"), value(after, "failed_total")], [5, 5])
      }).pipe(Effect.scoped)
    ))

  it.effect("AC-16.5: priority is honoured, and the metrics say so while it is", () =>
    fresh(
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
        const order: Array<string> = []
        const depth = Effect.map(
          PrometheusMetrics.format(),
          (text) => /heddle_worker_pool_depth\{[^}]*\} (\d+)/.exec(text)?.[1]
        )
        yield* Effect.forkChild(pool.submit(Deferred.await(gate)), { startImmediately: true })
        const fibers = yield* Effect.forEach([["low", 1], ["high", 9], ["middle", 5]] as const, ([name, priority]) =>
          Effect.forkChild(
            pool.submit(
              Effect.map(depth, (left) =>
                order.push(`${name}, ${left} wait`)),
              { priority }
            ),
            { startImmediately: true }
          ))
        assert.strictEqual(yield* depth, "3")
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.forEach(fibers, Fiber.join)
        assert.deepEqual(order, ["high, 2 wait", "middle, 1 wait", "low, 0 wait"])
      }).pipe(Effect.scoped)
    ))

  it.effect("AC-16.3: two pools of one name, and two layers, register twice and are one", () =>
    fresh(
      Effect.gen(function*() {
        for (const _ of [1, 2]) {
          const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
          yield* pool.submit(Effect.void)
          yield* Layer.build(Layer.fresh(Telemetry.layerRuntime))
        }
        const text = yield* PrometheusMetrics.format()
        assert.deepEqual(readExposition(text).violations, [])
        assert.include(text, "heddle_worker_pool_completed_total{name=\"mail\"} 2\n")
      }).pipe(Effect.scoped)
    ))
})

describe("what the runtime tells", () => {
  it.live("is there, and counts the fibers under the layer", () =>
    fresh(Effect.gen(function*() {
      const shot = Effect.map(Metric.snapshot, (all) => {
        const value = ({ state }: Metric.Metric.Snapshot) =>
          "value" in state ? Number(state.value) : "count" in state ? Number(state.count) : 0
        return new Map(all.map((one) => [`${one.id} ${Object.values(one.attributes ?? {}).join()}`.trim(), value(one)]))
      })
      yield* Effect.gen(function*() {
        const before = yield* shot
        const left = yield* Effect.forkChild(Effect.never)
        yield* Fiber.await(yield* Effect.forkChild(Effect.fail("x")))
        yield* Fiber.interrupt(yield* Effect.forkChild(Effect.never))
        const after = yield* shot
        const more = (id: string) => (after.get(id) ?? NaN) - (before.get(id) ?? NaN)
        assert.deepEqual(["effect_fibers_started_total", "effect_fibers_active"].map(more), [3, 1])
        assert.strictEqual(more("effect_fibers_ended_total failure"), 1)
        assert.strictEqual(more("effect_fibers_ended_total interrupted"), 1)
        yield* Fiber.interrupt(left)
        const kept: Array<unknown> = []
        const collect = Effect.gen(function*() {
          for (let n = 0; n < 200; n++) kept[n % 10] = Array.from({ length: 10_000 }, () => ({}))
          yield* Effect.sleep(20)
          const ids = [...(yield* shot).keys()]
          return ids.some((id) => id.startsWith("v8js_gc_duration_seconds")) &&
            ids.includes("nodejs_eventloop_delay_seconds")
        })
        yield* Effect.repeat(collect, { until: (seen) => seen })
        const told = yield* shot
        assert.isAbove(told.get("process_memory_usage_bytes") ?? 0, 1e6)
        assert.isAbove(told.get("v8js_memory_heap_used_bytes") ?? 0, 1e5)
        assert.isAbove(told.get("process_cpu_time_seconds_total user") ?? 0, 0)
        assert.isAbove(told.get("nodejs_eventloop_time_seconds_total active") ?? 0, 0)
        assert.deepEqual(strangers(yield* Metric.snapshot), [])
      }).pipe(Effect.provide(Layer.fresh(Telemetry.layerRuntime)))
      const left = (yield* Metric.snapshot).filter(({ type }) => type !== "Histogram")
      assert.deepEqual(left.map(({ id }) => id), [])
    })))
})

describe("OTLP", () => {
  it.live("sends metrics and spans with the service's name", () =>
    fresh(Effect.gen(function*() {
      const sent: Array<readonly [path: string, body: string]> = []
      const sink: typeof globalThis.fetch = async (input, init) => {
        const request = new Request(input, init)
        sent.push([new URL(request.url).pathname, await request.text()])
        return new Response("{}")
      }
      const otlp = Telemetry.layerOtlp({ url: "http://127.0.0.1:4318", service: "shop", version: "2.0.0" })
      yield* DistributedLock.withLock("a", { name: "a" })(Effect.void).pipe(
        Effect.provide([LeaseStore.layerMemory, otlp]),
        Effect.provideService(FetchHttpClient.Fetch, sink)
      )
      const body = (path: string) => sent.filter(([to]) => to === path).map(([, body]) => body).join()
      assert.include(body("/v1/metrics"), "heddle_lock_acquisitions_total")
      assert.include(body("/v1/metrics"), "\"shop\"")
      assert.include(body("/v1/traces"), "DistributedLock.withLock")
      assert.include(body("/v1/traces"), "heddle.lock.token")
    })))

  it.effect("is refused without a name or an address", () =>
    Effect.gen(function*() {
      const refused = (options: Telemetry.OtlpOptions) =>
        Effect.map(Effect.flip(Effect.scoped(Layer.build(Telemetry.layerOtlp(options)))), ({ option }) => option)
      assert.strictEqual(yield* refused({ url: "http://127.0.0.1:4318", service: "" }), "service")
      assert.strictEqual(yield* refused({ url: "127.0.0.1:4318", service: "shop" }), "url")
    }))
})

describe("trace context", () => {
  it.effect("goes with the work through pools, fan-outs, bulkheads and locks", () =>
    Effect.gen(function*() {
      const under = Effect.map(Effect.currentSpan, (span) => {
        const path: Array<string> = []
        for (let at: Tracer.AnySpan | undefined = span; at !== undefined;) {
          if (at._tag !== "Span") break
          path.push(at.name)
          at = at.parent._tag === "Some" ? at.parent.value : undefined
        }
        return path.join(" < ")
      }).pipe(Effect.withSpan("work"))
      const pool = yield* WorkerPool.make({ size: 1 })
      const bulkhead = yield* Bulkhead.make({ name: "db", running: 1, waiting: 9 })
      const paths = yield* Effect.all([
        pool.submit(under),
        Effect.map(FanOut.gather([1], () => under, { workers: 1 }), ([exit]) =>
          exit !== undefined && Exit.isSuccess(exit) ? exit.value : ""),
        bulkhead.run(under),
        DistributedLock.withLock("a")(under)
      ], { concurrency: "unbounded" }).pipe(Effect.withSpan("request"), Effect.provide(LeaseStore.layerMemory))
      const plain = "work < request"
      assert.deepEqual(paths, [plain, plain, plain, "work < DistributedLock.withLock < request"])
    }).pipe(Effect.scoped))
})

describe("the runtime's metrics, interrupted at every step", () => {
  it.live("leave the registry as it was", () =>
    InterruptSweep.run({
      setup: Effect.sync((): Metric.MetricRegistry => new Map()),
      program: (registry) =>
        Layer.build(Telemetry.layerRuntime).pipe(
          Effect.andThen(Effect.sleep("2 seconds")),
          Effect.scoped,
          Effect.provideService(Metric.MetricRegistry, registry)
        ),
      invariant: (registry) =>
        Effect.gen(function*() {
          const left = (yield* Metric.snapshot).filter(({ type }) => type !== "Histogram")
          assert.deepStrictEqual(left, [])
        }).pipe(Effect.provideService(Metric.MetricRegistry, registry)),
      target: "all"
    }))
})
