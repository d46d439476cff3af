import { type Row, rows } from "../../scripts/patternTable.ts"

declare const data: ReadonlyArray<Row>
export { data }

export default {
  watch: ["../patterns/*.md"],
  load: () => rows(new URL("../..", import.meta.url).pathname)
}
