/** `raw`, and ioredis sends the commands of one tick together. */
import type { Open } from "../../harness/Contender.ts"
import { raw } from "./raw.ts"

export const open: Open = (url) => raw(url, true)
