import { spawn } from "node:child_process"
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"

// An npm that notes how it was called, and installs by copying the lockfile as npm's own record of what it installed.
const fakeNpm = `#!/bin/sh
echo "$* omit=$npm_config_omit registry=$npm_config_registry" >> calls
while test -e hold; do sleep 0.02; done
test ! -e broken || { echo "npm error: no network" >&2; exit 7; }
mkdir -p node_modules/.bin
ln -sf "$REAL_NODE" node_modules/.bin/node
cp package-lock.json node_modules/.package-lock.json
`

const lock = (versions: Readonly<Record<string, string>>) =>
  JSON.stringify({
    packages: {
      "": {},
      "packages/heddle": { version: "0.1.0" },
      ...Object.fromEntries(Object.entries(versions).map(([name, version]) => [`node_modules/${name}`, { version }])),
      "node_modules/fsevents": { version: "1.0.0", optional: true }
    }
  })

let root = ""
const at = (...path: ReadonlyArray<string>) => join(root, ...path)
const calls = () => {
  try {
    return readFileSync(at("calls"), "utf8").trim().split("\n")
  } catch {
    return []
  }
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "heddle-setup-"))
  mkdirSync(at("scripts"))
  mkdirSync(at("bin"))
  copyFileSync("scripts/setup.mjs", at("scripts/setup.mjs"))
  writeFileSync(at("bin/npm"), fakeNpm, { mode: 0o755 })
  writeFileSync(at("package-lock.json"), lock({ effect: "4.1.0" }))
})
afterEach(() => rmSync(root, { recursive: true }))

interface Outcome {
  readonly status: number | null
  readonly said: string
}

const start = (kind: string, env: Readonly<Record<string, string>> = {}) => {
  let said = ""
  const child = spawn(process.execPath, ["scripts/setup.mjs", kind], {
    cwd: root,
    env: { PATH: [at("bin"), process.env["PATH"]].join(delimiter), REAL_NODE: process.execPath, ...env },
    stdio: ["ignore", "inherit", "pipe"]
  })
  const stderr = child.stderr.setEncoding("utf8").on("data", (text) => said += text)
  return {
    ended: new Promise<Outcome>((done) => child.on("close", (status) => done({ status, said }))),
    says: (text: string) =>
      new Promise<void>((done, fail) => {
        stderr.on("data", () => said.includes(text) && done())
        child.on("close", () => fail(new Error(`ended without saying "${text}": ${said}`)))
      })
  }
}

const setup = (kind: string, env: Readonly<Record<string, string>> = {}) => start(kind, env).ended

test("a first run installs, and a second has nothing to do or say", async () => {
  expect(await setup("test")).toMatchObject({ status: 0, said: expect.stringContaining("first run, installing") })
  expect(await setup("test")).toEqual({ status: 0, said: "" })
  expect(await setup("start")).toEqual({ status: 0, said: "" })
  expect(calls()).toHaveLength(1)
})

test("a changed lockfile installs again", async () => {
  await setup("test")
  writeFileSync(at("package-lock.json"), lock({ effect: "4.1.1" }))
  expect(await setup("test")).toMatchObject({ status: 0, said: expect.stringContaining("out of date") })
  expect(calls()).toHaveLength(2)
})

test("the demo leaves test packages out, and does not take them away", async () => {
  await setup("start")
  expect(calls().at(-1)).toContain("ci --omit=dev")
  mkdirSync(at("node_modules/vitest"))
  writeFileSync(at("package-lock.json"), lock({ effect: "4.1.1" }))
  await setup("start")
  expect(calls().at(-1)).toContain("ci --include=dev")
})

test("the install keeps the registry of the outer npm and drops its filters", async () => {
  await setup("test", { npm_config_omit: "dev", npm_config_registry: "http://localhost:1" })
  expect(calls()).toEqual(["ci --include=dev omit= registry=http://localhost:1"])
})

test("two checks at once install once", async () => {
  writeFileSync(at("hold"), "")
  const first = start("test")
  await first.says("installing packages")
  const second = start("test")
  await second.says("another check")
  rmSync(at("hold"))
  expect([(await first.ended).status, (await second.ended).status]).toEqual([0, 0])
  expect(calls()).toHaveLength(1)
})

test("a check that was killed while it installed does not stop the next", async () => {
  const dead = spawn(process.execPath, ["--version"], { stdio: "ignore" })
  await new Promise((done) => dead.on("close", done))
  mkdirSync(at(".cache"))
  writeFileSync(at(".cache/setup.lock"), String(dead.pid))
  expect((await setup("test")).status).toBe(0)
  expect(calls()).toHaveLength(1)
})

test("a failed install says so and fails", async () => {
  writeFileSync(at("broken"), "")
  const { status, said } = await setup("test")
  expect(status).toBe(1)
  expect(said).toContain("npm error: no network")
  expect(said).toContain("Heddle: `npm ci` failed (7)")
})

test("a packaged Node that does not run here gives way to the machine's own", async () => {
  const alien = at("bin/alien")
  writeFileSync(alien, "#!/no/such/loader\n", { mode: 0o755 })
  expect((await setup("test", { REAL_NODE: alien })).status).toBe(0)
  expect(existsSync(at("node_modules/.bin/node"))).toBe(false)
})
