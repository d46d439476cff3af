import { existsSync, globSync, readdirSync } from "node:fs"
import { resolve } from "node:path"
import { defineConfig } from "vitest/config"
import type { TestProjectInlineConfiguration } from "vitest/config"
import { LongestFirst } from "./scripts/longestFirst.sequencer.ts"
import { generate } from "./scripts/snippets.ts"

// Resolve workspace packages to their TypeScript sources: nothing to build first.
const conditions = ["@heddle/source"]
const source = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } }
}

// A law starts many processes, and half of what each takes to start is the compiler, unless one has kept what it made.
process.env["NODE_COMPILE_CACHE"] ??= resolve(".cache/node")

// Every code block of the docs becomes a module that tsc checks and the project "docs" runs.
generate()

const packages = readdirSync("packages").filter((name) => existsSync(`packages/${name}/package.json`))

const project = (
  name: string,
  test: NonNullable<TestProjectInlineConfiguration["test"]>
): TestProjectInlineConfiguration => ({ ...source, test: { name, benchmark: { include: [] }, ...patient, ...test } })

// A limit that only a hang reaches, on a machine that does ten other things.
const patient = { testTimeout: 120_000, hookTimeout: 120_000 }
const withServers = { globalSetup: ["scripts/servers.setup.ts"] }

// The tests of the other packages need no server, or start those that they harm.
const sharing = new Set(["redis", "etcd", "postgres"])

// Type tests need tsc on the whole repository, and an empty project fails the run.
const typeTests = "packages/*/typetest/**/*.test-d.ts"

export default defineConfig({
  test: {
    projects: [
      ...packages.map((name) =>
        project(name, {
          include: [`packages/${name}/test/**/*.test.ts`],
          ...(sharing.has(name) ? withServers : {})
        })
      ),
      project("examples", { include: ["examples/*/*.test.ts"], ...withServers }),
      ...(globSync(typeTests).length === 0 ? [] : [
        project("types", {
          include: [],
          typecheck: { enabled: true, only: true, include: [typeTests], tsconfig: "tsconfig.json" }
        })
      ]),
      // A block of the docs changes nothing that another sees, and a process for each takes longer than all of them.
      project("docs", { isolate: false, include: [".snippets/**/*.test.ts"], exclude: [] }),
      project("site", { include: ["docs/test/**/*.test.ts"] }),
      project("tree", { include: ["tests/**/*.test.ts"] })
    ],
    // Most of a law is waiting: for leases to end, for servers to start. Those come first, and what only computes at the end.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./scripts/total.reporter.ts"],
    passWithNoTests: false
  }
})
