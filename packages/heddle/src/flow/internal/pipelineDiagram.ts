import * as Duration from "effect/Duration"
import type { Description } from "../Pipeline.ts"

const orders = { input: "in order of input", none: "in any order", key: "in order of each key" } as const

/** A flowchart from left to right: stages with what they do at a time, and where failures go. */
export const flowchart = (stages: ReadonlyArray<Description>): string => {
  const ids = stages.map((_, at) => `s${at}`)
  const nodes = stages.map((stage, at) => `  s${at}["${[text(stage.name), ...notes(stage)].join("<br/>")}"]`)
  const failures = stages.flatMap(({ onError }, at) =>
    onError === "stop" ? [] : [`  s${at} -. ${onError === "skip" ? "skips" : "fails"} .-> f${at}${sinks[onError]}`]
  )
  return [
    "flowchart LR",
    "  source([source])",
    ...nodes,
    `  ${["source", ...ids, "output([output])"].join(" --> ")}`,
    ...failures
  ]
    .join("\n")
}

const sinks = { skip: "((dropped))", route: "[(dead letters)]" } as const

const notes = ({ buffer, concurrency, order, retries, timeout }: Description): ReadonlyArray<string> => [
  concurrency === 1 ? "one at a time" : `${concurrency} at a time, ${orders[order]}`,
  `room for ${buffer}`,
  ...(timeout === undefined ? [] : [`${Duration.format(Duration.millis(timeout))} an attempt`]),
  ...(retries ? ["retries"] : [])
]

/** A name may hold what Mermaid or HTML would take for its own. */
const text = (name: string): string => name.replace(/[^\p{L}\p{N} ._/-]/gu, (found) => `#${found.codePointAt(0)};`)
