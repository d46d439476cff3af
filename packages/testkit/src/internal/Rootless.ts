import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { promisify } from "node:util"
import { tryLock, unlock } from "./PidLock.ts"
import { until } from "./until.ts"

const run = promisify(execFile)

/**
 * Downloads a Debian package with what it needs beyond the packages on this machine, and unpacks all of it below `root`.
 *
 * Needs no root and installs nothing: apt works on folders of its own beside `root`, and reads the machine's package
 * status only to know what is there already. `root` appears in one step, when it is complete. Processes take turns. Fails
 * with the reason as text.
 */
export const fetch = (debian: string, root: string): Effect.Effect<void, string> => {
  const services = dirname(root)
  const lock = join(services, "lock")
  let mine = false
  return attempt(async () => mkdirSync(services, { recursive: true })).pipe(
    Effect.andThen(until(Effect.sync(() => mine = tryLock(lock)), "5 minutes")),
    Effect.andThen((locked) =>
      locked
        ? attempt(async (signal) => existsSync(root) ? undefined : await download(debian, root, signal))
        : Effect.fail(`another process holds ${lock}`)
    ),
    Effect.ensuring(Effect.sync(() => mine && unlock(lock)))
  )
}

const attempt = <A>(use: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, string> =>
  Effect.tryPromise({ try: use, catch: (error) => error instanceof Error ? error.message : String(error) })

const download = async (debian: string, root: string, signal: AbortSignal): Promise<void> => {
  await run("apt-get", ["--version"], { signal }).catch(() => {
    throw new Error("there is no apt-get here")
  })
  const started = performance.now()
  process.stderr.write(`heddle: fetching ${debian} for this repository only (nothing is installed)\n`)
  const part = `${root}.part`
  rmSync(part, { recursive: true, force: true })
  const state = join(dirname(root), "apt")
  const archives = join(part, "archives")
  const unpacked = join(part, basename(root))
  for (const folder of [join(state, "lists/partial"), join(state, "cache"), join(archives, "partial"), unpacked]) {
    mkdirSync(folder, { recursive: true })
  }
  const apt = (...args: ReadonlyArray<string>) =>
    run("apt-get", [...options(state, archives), ...args], { signal, env: { ...process.env, LC_ALL: "C" } })
  const install = () => apt("-y", "--download-only", "install", debian)
  if (readdirSync(join(state, "lists")).length <= 1) await apt("update")
  await install().catch(async () => {
    // The lists may be older than what the mirror holds.
    await apt("update")
    await install()
  })
  for (const name of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    await run("dpkg-deb", ["-x", join(archives, name), unpacked], { signal })
  }
  renameSync(unpacked, root)
  rmSync(part, { recursive: true, force: true })
  process.stderr.write(`heddle: ${debian} is ready after ${((performance.now() - started) / 1000).toFixed(1)} s\n`)
}

const options = (state: string, archives: string): ReadonlyArray<string> =>
  [
    `Dir::State=${state}`,
    "Dir::State::status=/var/lib/dpkg/status",
    `Dir::Cache=${join(state, "cache")}`,
    `Dir::Cache::archives=${archives}`,
    "Debug::NoLocking=1",
    "Acquire::Languages=none",
    "APT::Sandbox::User=",
    "APT::Install-Recommends=0"
  ].flatMap((option) => ["-o", option]).concat("-qq")
