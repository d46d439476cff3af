import { globSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import {
  declaredDependencies,
  everyTestRuns,
  importDirections,
  shortFiles,
  storesRunTheirLaws,
  type Tree
} from "../scripts/tree.ts"

const read = (...patterns: ReadonlyArray<string>): Tree =>
  new Map(
    globSync(patterns, { exclude: (name) => name.includes("node_modules") || name.split("/").includes("dist") })
      .map((path) => [path, readFileSync(path, "utf8")])
  )

const modules = read("packages/**/*.ts", "examples/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts", "tests/**/*.ts")
const manifests = read("packages/*/package.json")
const tree = (files: Readonly<Record<string, string>>): Tree => new Map(Object.entries(files))

describe("the tree", () => {
  test("is read", () => {
    expect([...modules.keys()]).toContain("packages/heddle/src/coordination/LeaseStore.ts")
    expect([...manifests.keys()]).toContain("packages/heddle/package.json")
  })
  test("imports go one way", () => expect(importDirections(modules)).toEqual([]))
  test("a package brings what it imports", () =>
    expect(declaredDependencies(new Map([...modules, ...manifests].filter(([path]) => /\/src\/|json$/.test(path)))))
      .toEqual([]))
  test("every store runs its laws", () => expect(storesRunTheirLaws(modules)).toEqual([]))
  test("every test runs", () => expect(everyTestRuns(modules)).toEqual([]))
  test("files are short", () => expect(shortFiles(modules)).toEqual([]))
})

describe("imports that go the wrong way are found", () => {
  const wrong = (path: string, code: string) =>
    test(`${path}: ${code}`, () => expect(importDirections(tree({ [path]: code }))).toHaveLength(1))
  const right = (path: string, code: string) =>
    test(`${path}: ${code} is fine`, () => expect(importDirections(tree({ [path]: code }))).toEqual([]))

  wrong("packages/heddle/src/flow/A.ts", "import type { Redis } from \"ioredis\"")
  wrong("packages/heddle/src/flow/A.ts", "import * as fs from \"node:fs\"")
  wrong("packages/heddle/src/flow/A.ts", "import * as fs from \"fs\"")
  wrong("packages/heddle/src/flow/A.ts", "export * from \"@heddle/testkit\"")
  wrong("packages/heddle/src/flow/A.ts", "import { x } from \"../../../redis/src/x.ts\"")
  wrong("packages/heddle/src/flow/A.ts", "import { x } from \"../../test/x.ts\"")
  wrong("packages/redis/src/A.ts", "import * as grpc from \"@grpc/grpc-js\"")
  wrong("packages/redis/src/A.ts", "const x = await import(\"@heddle/etcd\")")
  wrong("packages/redis/src/A.ts", "import * as x from \"heddle/coordination/internal/queue\"")
  wrong("packages/redis/src/A.ts", "import { it } from \"@effect/vitest\"")
  wrong("packages/testkit/src/A.ts", "import { RedisLeaseStore } from \"@heddle/redis\"")
  wrong("packages/redis/test/A.test.ts", "import { EtcdLeaseStore } from \"@heddle/etcd\"")
  wrong("packages/redis/test/A.test.ts", "import { x } from \"../../heddle/src/coordination/internal/x.ts\"")
  wrong("packages/kafka/src/A.ts", "import * as Effect from \"effect/Effect\"")
  wrong("examples/01/main.ts", "import { x } from \"../../packages/heddle/src/flow/A.ts\"")
  wrong("scripts/a.ts", "import { x } from \"../packages/testkit/src/internal/x.ts\"")
  right("scripts/a.ts", "import { x } from \"../packages/testkit/src/Servers.ts\"")
  right("packages/heddle/src/flow/A.ts", "import * as Effect from \"effect/Effect\"\nimport { x } from \"../x.ts\"")
  right(
    "packages/etcd/src/A.ts",
    "import * as codec from \"@bufbuild/protobuf/codegenv2\"\nimport \"heddle/coordination\""
  )
  right("packages/redis/test/A.test.ts", "import { x } from \"../src/internal/x.ts\"\nimport \"@heddle/testkit/laws\"")
  right("packages/grpc/test/A.test.ts", "import \"@heddle/example-50-greeter/greeter\"")
  wrong("packages/grpc/src/A.ts", "import \"@heddle/example-50-greeter/greeter\"")
  right("examples/01/redis.ts", "import \"@heddle/redis\"\nimport \"@heddle/etcd\"")
})

describe("the other rules find what they look for", () => {
  const store = "packages/redis/src/RedisLeaseStore.ts"
  const test_ = "packages/redis/test/RedisLeaseStore.test.ts"

  test("a library that package.json does not name", () => {
    const files = { "packages/redis/src/A.ts": "import \"ioredis\"", "packages/redis/package.json": "{}" }
    expect(declaredDependencies(tree(files))).toHaveLength(1)
    const manifest = "{ \"dependencies\": { \"ioredis\": \"6.0.0\" } }"
    expect(declaredDependencies(tree({ ...files, "packages/redis/package.json": manifest }))).toEqual([])
  })
  test("a store without a test", () => expect(storesRunTheirLaws(tree({ [store]: "" }))).toHaveLength(1))
  test("a store whose test runs no laws", () => {
    expect(storesRunTheirLaws(tree({ [store]: "", [test_]: "// leaseStoreLaws(RedisLeaseStore.layer)" }))).toHaveLength(
      1
    )
  })
  test("a store whose test runs the laws of another", () => {
    const laws = (layer: string) => `leaseStoreLaws("redis", ${layer})`
    expect(storesRunTheirLaws(tree({ [store]: "", [test_]: laws("LeaseStore.layerMemory") }))).toHaveLength(1)
    expect(storesRunTheirLaws(tree({ [store]: "", [test_]: laws("RedisLeaseStore.layer") }))).toEqual([])
  })
  test("a test that does not run", () => {
    const found = (call: string) =>
      everyTestRuns(tree({ "packages/redis/test/A.test.ts": `${call}("x", () => {})` })).length
    const off = ["skip", "only", "todo", "skipIf", "runIf"]
    expect(off.map((name) => found(`it.${name}`))).toEqual([1, 1, 1, 1, 1])
    expect(off.map((name) => found(`it.effect\n  .${name}`))).toEqual([1, 1, 1, 1, 1])
    expect(["it", "it.effect", "test.for(xs)", "Stream.skip"].map(found)).toEqual([0, 0, 0, 0])
    expect(everyTestRuns(tree({ "packages/redis/test/A.test.ts": `// it.${off[0]}\nit("x", () => {})` }))).toEqual([])
  })
  test("a long file, its comments left out", () => {
    const long = (line: string) => tree({ "packages/redis/src/A.ts": line.repeat(251) })
    expect(shortFiles(long("f()\n"))).toHaveLength(1)
    expect(shortFiles(long("// f()\n\n"))).toEqual([])
    expect(shortFiles(tree({ "packages/redis/src/A.ts": "// @generated\n" + "f()\n".repeat(251) }))).toEqual([])
  })
})
