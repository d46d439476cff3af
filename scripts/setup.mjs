// Makes the checkout ready before `npm start` (packages the demo needs) or `npm test` (all of them).
// Runs on whatever Node the machine has, before any package is installed, so it is plain JavaScript and imports none.
//
// What is installed is read from npm's own record, node_modules/.package-lock.json, which npm writes last: an install that
// was cut short leaves none, and one made by hand counts too.
import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const at = (...path) => join(root, ...path)
const lockFile = at(".cache/setup.lock")
const ownNode = at("node_modules/.bin/node")
const neededMajor = 24
const longestInstall = 300_000

const say = (line) => process.stderr.write(`Heddle: ${line}\n`)

const fail = (line) => {
  say(line)
  process.exit(1)
}

const lockedPackages = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages
  } catch {
    return {}
  }
}

/** The packages that package-lock.json asks for and node_modules lacks or has in another version. */
const missing = (withDev) => {
  const installed = lockedPackages(at("node_modules/.package-lock.json"))
  return Object.entries(lockedPackages(at("package-lock.json"))).filter(([path, wanted]) =>
    path.includes("node_modules/") && !wanted.optional && (withDev || !wanted.dev) &&
    (installed[path] === undefined || installed[path].version !== wanted.version)
  ).map(([path]) => path)
}

// An install reads nothing of the script it runs in: neither its filters (`npm test --workspace x`) nor the Node that it is
// about to replace. Registry, cache and proxy settings stay.
const installEnvironment = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      !/^(npm_(lifecycle|package)_|npm_(command|execpath|node_execpath)$|INIT_CWD$|NODE$|NODE_OPTIONS$)/.test(name) &&
      !/^npm_config_(omit|include|only|production|workspaces?|include_workspace_root|dry_run|package_lock_only|global|local_prefix|force)$/i
        .test(name)
    ).map(([name, value]) => [
      name,
      name.toUpperCase() === "PATH"
        ? value?.split(delimiter).filter((dir) => !/node_modules[\\/]\.bin[\\/]?$/.test(dir)).join(delimiter)
        : value
    ])
  )

const install = async (withDev) => {
  const why = existsSync(at("node_modules")) ? "packages are missing or out of date" : "first run"
  say(`${why}, installing packages (about ${withDev ? 20 : 10} s)…`)
  const started = Date.now()
  const progress = setInterval(() => say(`still installing, ${Math.round((Date.now() - started) / 1000)} s…`), 10_000)
  const npm = spawn("npm", ["ci", withDev ? "--include=dev" : "--omit=dev"], {
    cwd: root,
    env: installEnvironment(),
    shell: process.platform === "win32",
    stdio: ["ignore", "ignore", "inherit"],
    timeout: longestInstall
  })
  process.once("exit", () => npm.kill())
  const status = await new Promise((done) =>
    npm.on("error", (error) => done(error.message)).on("exit", (code, signal) => done(code ?? signal))
  )
  clearInterval(progress)
  if (status !== 0) fail(`\`npm ci\` failed (${status}). Its own words are above; run \`npm ci\` by hand to try again.`)
  const left = missing(withDev)
  if (left.length > 0) fail(`\`npm ci\` ended well but left out ${left[0]}. Delete node_modules and try again.`)
  // A binary for another libc installs and does not run. Without it the machine's own Node is used.
  if (existsSync(ownNode) && spawnSync(ownNode, ["--version"]).status !== 0) rmSync(ownNode)
  say(`installed in ${Math.round((Date.now() - started) / 1000)} s.`)
}

const holder = () => {
  try {
    return Number(readFileSync(lockFile, "utf8"))
  } catch {
    return undefined
  }
}

const alive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === "EPERM"
  }
}

/** Two checks started at once must not install into the same folder: the second waits, then finds nothing to do. */
const alone = async (work) => {
  mkdirSync(at(".cache"), { recursive: true })
  const deadline = Date.now() + longestInstall + 10_000
  for (let said = false;;) {
    try {
      writeFileSync(lockFile, String(process.pid), { flag: "wx" })
      break
    } catch {
      const pid = holder()
      // 0 is the moment between creating the file and writing it.
      if (pid !== undefined && pid !== 0 && !alive(pid)) rmSync(lockFile, { force: true })
      else if (Date.now() > deadline) {
        fail(`process ${pid} has held ${lockFile} for over 5 minutes; delete it if nothing installs.`)
      } else {
        if (!said) say(`another check (process ${pid}) is installing, waiting for it…`)
        said = true
        await sleep(100)
      }
    }
  }
  const release = () => rmSync(lockFile, { force: true })
  process.once("exit", release)
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130))
  await work()
  release()
}

const kind = process.argv[2]
if (kind !== "start" && kind !== "test") fail("usage: node scripts/setup.mjs start|test")

// A demo run after a pull must not take the test packages away.
const withDev = kind === "test" || existsSync(at("node_modules/vitest"))
if (missing(withDev).length > 0) {
  await alone(async () => {
    if (missing(withDev).length > 0) await install(withDev)
  })
}
if (!existsSync(ownNode) && Number(process.versions.node.split(".")[0]) < neededMajor) {
  fail(
    `this needs Node ${neededMajor} or newer, and \`node\` here is ${process.version}. The packaged Node exists for Linux x64 ` +
      `with glibc only; on this machine install Node ${neededMajor} from https://nodejs.org and run the command again.`
  )
}
