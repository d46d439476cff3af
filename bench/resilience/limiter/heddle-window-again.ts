import type { Open } from "../../harness/Load.ts"
import { prepared } from "./heddle.ts"

export const open: Open = () => prepared("window")
