import type { Report } from "../Contention.ts"

const millis = (time: number): string =>
  time === 0 ? "0" : time < 10 ? String(Number(time.toPrecision(2))) : String(Math.round(time))

/** A table of text, its columns as wide as they need. */
const aligned = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row.map((cell, column) => column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))
      .join("  ").trimEnd()
  )
}

export const tableOf = ({ cycles, loop, resources, waits }: Report): string => {
  const head = ["what", "from", "holds", "gave up", "waiting", "holding"]
  const times = ["wait p50", "p99", "max", "hold p50", "p99", "max"]
  const rows = resources.map((row) => [
    `${row.kind} ${row.name}`,
    row.site,
    ...[row.hold.count, row.gaveUp, row.waiting, row.holding].map(String),
    ...[row.wait.p50, row.wait.p99, row.wait.max, row.hold.p50, row.hold.p99, row.hold.max].map(millis)
  ])
  return [
    "milliseconds",
    ...aligned([[...head, ...times], ...rows]),
    ...waits.map(({ behind, has, heldBy, waited, wants, who }) =>
      [
        `${who} waits for ${wants} since ${millis(waited)} ms`,
        ...(has.length === 0 ? [] : [`having ${has.join(", ")}`]),
        ...(heldBy.length === 0 ? [] : [`held by ${heldBy.join(", ")}`]),
        ...(behind === undefined ? [] : [`behind ${behind}`])
      ].join(", ")
    ),
    ...cycles.map((cycle) => `A CIRCLE: ${cycle.join("; ")}`),
    `event loop late: p50 ${millis(loop.p50)}, p99 ${millis(loop.p99)}, max ${millis(loop.max)}`
  ].join("\n")
}

export const mermaidOf = ({ waits }: Report): string => {
  const ids = new Map<string, string>()
  const lines: Array<string> = []
  const node = (text: string, open: string, close: string): string => {
    const key = `${open}${text}`
    let id = ids.get(key)
    if (id === undefined) {
      ids.set(key, id = `n${ids.size}`)
      lines.push(`  ${id}${open}"${text.replaceAll("\"", "#quot;")}"${close}`)
    }
    return id
  }
  const arrows = new Set<string>()
  for (const { has, heldBy, waited, wants, who } of waits) {
    const one = node(who, "(", ")")
    const thing = node(wants, "[", "]")
    arrows.add(`  ${one} -- "waits ${millis(waited)} ms" --> ${thing}`)
    for (const holder of heldBy) arrows.add(`  ${thing} -- "held by" --> ${node(holder, "(", ")")}`)
    // A section runs in a fiber of its own: what it has, its waits have.
    for (const hold of has) arrows.add(`  ${node(hold, "[", "]")} -- "had by" --> ${one}`)
  }
  return ["flowchart LR", ...lines, ...arrows].join("\n")
}
