import type { Open } from "../../harness/Load.ts"
import { limiter } from "./heddle.ts"

export const open: Open = () => limiter("window")
