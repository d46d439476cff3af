// Writes docs/api/<package>/<module>.md from the JSDoc of packages/*/src and the signatures of the built declarations
// (packages/*/dist, so build first), and docs/decisions/ from decisions/. Fails where a public name has no docstring.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { parseSync } from "rolldown/utils"

interface Doc {
  readonly text: string
  readonly tags: ReadonlyMap<string, string>
}

interface Entry {
  readonly name: string
  readonly code: string
  readonly doc: Doc
  readonly line: number
}

const none: Doc = { text: "", tags: new Map() }

const parseDoc = (raw: string): Doc => {
  const tags = new Map<string, string>()
  const text: Array<string> = []
  let fenced = false
  for (const line of raw.replace(/^\*\n?/, "").split("\n").map((line) => line.replace(/^\s*\* ?/, ""))) {
    if (line.startsWith("```")) fenced = !fenced
    const [, tag, value = ""] = (fenced ? null : /^@(\w+)\s*(.*)$/.exec(line)) ?? []
    if (tag === undefined) text.push(line)
    else tags.set(tag, value.trim())
  }
  // `{@link X}` means something to an editor only.
  return { text: text.join("\n").trim().replaceAll(/\{@link ([^}]+)\}/g, "`$1`"), tags }
}

/** What a module exports, overloads one by one; classes without their body where it is the source. */
const declarations = (file: string): ReadonlyArray<Entry> => parse(file).entries

/** The module's header and each name that it exports. */
const read = (file: string): { readonly header: Doc; readonly entries: ReadonlyArray<Entry> } => {
  const { entries, header } = parse(file)
  // The other signatures of an overloaded function come after the one that has the docstring.
  const isOverload = ({ doc, name }: Entry, at: number) =>
    doc === none && entries.slice(0, at).some((entry) => entry.name === name)
  return { header, entries: entries.filter((entry, at) => !isOverload(entry, at)) }
}

const parse = (file: string): { readonly header: Doc; readonly entries: ReadonlyArray<Entry> } => {
  const code = readFileSync(file, "utf8")
  const declared = file.endsWith(".d.ts")
  const { comments, program } = parseSync(file, code, { lang: declared ? "dts" : "ts" })
  const before = (start: number): Doc => {
    const comment = comments.findLast(({ end, type, value }) =>
      end <= start && type === "Block" && value.startsWith("*")
    )
    return comment === undefined || code.slice(comment.end, start).trim() !== "" ? none : parseDoc(comment.value)
  }
  const [first] = comments
  const header = first === undefined || first.end > (program.body[0]?.start ?? 0) ? none : parseDoc(first.value)
  const entries = program.body.flatMap((node): ReadonlyArray<Entry> => {
    if (node.type !== "ExportNamedDeclaration" || node.declaration === null) return []
    const declaration = node.declaration
    const names = declaration.type === "VariableDeclaration"
      ? declaration.declarations.flatMap(({ id }) => id.type === "Identifier" ? [id.name] : [])
      : "id" in declaration && declaration.id?.type === "Identifier"
      ? [declaration.id.name]
      : []
    const text = declaration.type === "ClassDeclaration" && !declared
      ? `${code.slice(node.start, declaration.body.start)}{}`
      : code.slice(node.start, node.end)
    const line = code.slice(0, node.start).split("\n").length
    return names.map((name) => ({ name, code: text, doc: before(node.start), line }))
  })
  return { header, entries }
}

const signatureOf = ({ code, name }: Entry, declared: ReadonlyArray<Entry>): string => {
  const isValue = /^export (const|function)/.test(code)
  const found = isValue ? declared.filter((entry) => entry.name === name).map(({ code }) => code) : []
  return (found.length === 0 ? [code] : found).map((text) => text.replace(/^export (declare )?/, "").trim()).join("\n")
}

/** What a module is for, as it says first. */
const purposeOf = (file: string): string => parse(file).header.text.split("\n\n")[0]?.replaceAll("\n", " ") ?? ""

const page = (module: string, from: string, file: string, missing: Array<string>): string => {
  const { entries, header } = read(file)
  const declared = declarations(file.replace("/src/", "/dist/").replace(/\.ts$/, ".d.ts"))
  const lines = [`# ${module}`, "", header.text, "", "```ts no-run", `import { ${module} } from "${from}"`, "```", ""]
  for (const [category, members] of Map.groupBy(entries, ({ doc }) => doc.tags.get("category") ?? "other")) {
    lines.push(`## ${category.replace(/^./, (letter) => letter.toUpperCase())}`, "")
    for (const entry of members) {
      if (entry.doc.text === "" || !entry.doc.tags.has("since")) missing.push(`${file}:${entry.line} ${entry.name}`)
      lines.push(`### ${entry.name}`, "", entry.doc.text, "", "```ts no-check", signatureOf(entry, declared), "```", "")
      lines.push(`Since ${entry.doc.tags.get("since")}.`, "")
    }
  }
  return lines.join("\n")
}

/** What is public: the modules that an `index.ts` exports as a namespace. */
const publicModules = (): ReadonlyArray<{ readonly file: string; readonly module: string; readonly from: string }> =>
  globSync("packages/*/src/{,*/}index.ts").sort().flatMap((index) => {
    const root = index.split("/").slice(0, 2).join("/")
    const { name } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"))
    const area = dirname(index).split("/").slice(3).join("/")
    return Array.from(readFileSync(index, "utf8").matchAll(/^export \* as (\w+) from "\.\/(\w+)\.ts"/gm)).map(
      ([, module = "", base]) => ({
        module,
        file: `${dirname(index)}/${base}.ts`,
        from: area === "" ? String(name) : `${name}/${area}`
      })
    )
  })

const write = (path: string, text: string) => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Brings docs/api and docs/decisions up to date, and answers with the public names that lack a docstring. */
export const generate = (): ReadonlyArray<string> => {
  for (const folder of ["docs/api", "docs/decisions"]) rmSync(folder, { recursive: true, force: true })
  const missing: Array<string> = []
  const modules = publicModules()
  for (const { file, from, module } of modules) {
    write(join("docs/api", from.replace("@heddle/", ""), `${module}.md`), page(module, from, file, missing))
  }
  const groups = Map.groupBy(modules, ({ from }) => from)
  const list = Array.from(groups, ([from, members]) => [
    `## ${from}`,
    "",
    ...members.map(({ file, module }) =>
      `- [${module}](${from.replace("@heddle/", "")}/${module}.md): ${purposeOf(file)}`
    ),
    ""
  ])
  write("docs/api/index.md", ["# API reference", "", ...list.flat()].join("\n"))
  const decisions = globSync("decisions/*.md").sort()
  // From the site a page of the docs is a neighbour.
  for (const file of decisions) write(`docs/${file}`, readFileSync(file, "utf8").replaceAll("](../docs/", "](../"))
  const titles = decisions.map((file) =>
    `- [${/^# (.+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? file}](${basename(file)})`
  )
  write(
    "docs/decisions/index.md",
    ["# Decisions", "", "Why things are as they are, oldest first.", "", ...titles, ""].join("\n")
  )
  return missing
}

if (process.argv[1] === import.meta.filename) {
  const missing = generate()
  for (const entry of missing) console.error(`no docstring, or no @since: ${entry}`)
  if (missing.length > 0) process.exitCode = 1
}
