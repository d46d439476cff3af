import { existsSync, readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"
import type { TestProjectInlineConfiguration } from "vitest/config"

// Resolve workspace packages to their TypeScript sources: nothing to build first.
const conditions = ["@heddle/source"]
const source = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } }
}

const packages = readdirSync("packages").filter((name) => existsSync(`packages/${name}/package.json`))

const project = (
  name: string,
  test: NonNullable<TestProjectInlineConfiguration["test"]>
): TestProjectInlineConfiguration => ({ ...source, test: { name, benchmark: { include: [] }, ...test } })

export default defineConfig({
  test: {
    projects: packages.map((name) => project(name, { include: [`packages/${name}/test/**/*.test.ts`] })),
    passWithNoTests: false
  }
})
