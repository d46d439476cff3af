import type { Layer, Worst } from "../Policy.ts"

/** Milliseconds in words. */
export const inWords = (millis: number): string => millis === Infinity ? "any time" : `${millis} ms`

const line = ({ detail, kind, name }: Layer): string =>
  (kind === name ? kind : `${kind} ${name}`) + (detail === undefined ? "" : `, ${detail}`)

export const write = (layers: ReadonlyArray<Layer>, { attempts, millis }: Worst): string =>
  [
    ...layers.map((layer, depth) => "  ".repeat(depth) + line(layer)),
    `${"  ".repeat(layers.length)}the call`,
    `at most ${attempts} ${attempts === 1 ? "call" : "calls"}, ${inWords(millis)}`
  ].join("\n")

export const draw = (layers: ReadonlyArray<Layer>): string => {
  const boxes = layers.map((layer, index) => `layer${index}["${quoted(line(layer))}"]`)
  const nodes = ["caller([\"caller\"])", ...boxes, "call([\"call\"])"]
  return ["flowchart LR", ...nodes.slice(1).map((node, index) => `  ${nodes[index] ?? ""} --> ${node}`)].join("\n")
}

/** Mermaid's own way to say what would end a label or begin markup. */
const quoted = (text: string): string =>
  text.replace(/["#<>&]/g, (char) => `#${char.charCodeAt(0)};`).replace(/\s+/g, " ")
