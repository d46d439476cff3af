import { existsSync, globSync, readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"
import type { TestProjectInlineConfiguration } from "vitest/config"
import { generate } from "./scripts/snippets.ts"

// Resolve workspace packages to their TypeScript sources: nothing to build first.
const conditions = ["@heddle/source"]
const source = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } }
}

// Every code block of the docs becomes a module that tsc checks and the project "docs" runs.
generate()

const packages = readdirSync("packages").filter((name) => existsSync(`packages/${name}/package.json`))

const project = (
  name: string,
  test: NonNullable<TestProjectInlineConfiguration["test"]>
): TestProjectInlineConfiguration => ({ ...source, test: { name, benchmark: { include: [] }, ...test } })

// Steps on a real server are slower, so the limit is one that only a hang reaches.
const patient = { testTimeout: 120_000, hookTimeout: 120_000 }
const withServers = { ...patient, globalSetup: ["scripts/servers.setup.ts"] }

// Core needs no server, and the testkit's tests start the servers that they harm.
const settings = new Map<string, Partial<typeof withServers>>([
  ["heddle", {}],
  ["testkit", patient],
  ["nats", patient],
  ["rabbitmq", patient],
  ["grpc", patient]
])

// Type tests need tsc on the whole repository, and an empty project fails the run.
const typeTests = "packages/*/typetest/**/*.test-d.ts"

export default defineConfig({
  test: {
    projects: [
      ...packages.map((name) =>
        project(name, {
          include: [`packages/${name}/test/**/*.test.ts`],
          ...(settings.get(name) ?? withServers)
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
      project("docs", { isolate: false, include: [".snippets/**/*.test.ts"], exclude: [], testTimeout: 30_000 }),
      project("site", { include: ["docs/test/**/*.test.ts"], ...patient, globalSetup: ["docs/test/site.setup.ts"] }),
      project("tree", { include: ["tests/**/*.test.ts"], testTimeout: 30_000 })
    ],
    // Most of a law is waiting: for leases to end, for servers to start.
    maxWorkers: 3,
    reporters: ["default", "./scripts/total.reporter.ts"],
    passWithNoTests: false
  }
})
