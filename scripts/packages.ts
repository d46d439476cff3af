// Packs every package as npm would publish it and asks two judges about the tarball: publint whether its package.json tells
// the truth, attw whether its types resolve for those who import it.
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, readdirSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"

const tarballs = resolve(".cache/packages")

interface Outcome {
  readonly ok: boolean
  readonly output: string
}

const run = (command: string, args: ReadonlyArray<string>, cwd: string): Promise<Outcome> =>
  new Promise((done) => {
    execFile(command, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      done({ ok: error === null, output: `${stdout}${stderr}` })
    })
  })

/** `tsc -b` leaves the output of deleted sources behind, and npm would publish it. */
const dropStale = (dir: string): void => {
  for (const file of globSync(`${dir}/dist/**/*.{js,d.ts,map}`)) {
    const source = file.replace(`${dir}/dist/`, `${dir}/src/`).replace(/(\.d\.ts|\.js)(\.map)?$/, ".ts")
    if (!existsSync(source)) rmSync(file)
  }
}

const check = async (name: string): Promise<boolean> => {
  const dir = join("packages", name)
  dropStale(dir)
  const target = join(tarballs, name)
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const packed = await run("npm", ["pack", "--ignore-scripts", "--pack-destination", target], dir)
  const tarball = readdirSync(target)[0]
  if (!packed.ok || tarball === undefined) {
    console.error(`${name}: npm pack failed\n${packed.output}`)
    return false
  }
  const publint = await run("publint", ["run", join(target, tarball), "--strict"], ".")
  const attw = await run("attw", [
    join(target, tarball),
    "--profile",
    "esm-only",
    "--no-emoji",
    "--no-definitely-typed"
  ], ".")
  const ok = publint.ok && attw.ok
  console.log(`${name}: ${tarball}, publint ${publint.ok ? "ok" : "FAILED"}, attw ${attw.ok ? "ok" : "FAILED"}`)
  if (!publint.ok) console.error(publint.output)
  if (!attw.ok) console.error(attw.output)
  return ok
}

const names = readdirSync("packages").filter((name) => existsSync(join("packages", name, "package.json")))
const outcomes = await Promise.all(names.map(check))
if (!outcomes.every(Boolean)) process.exitCode = 1
