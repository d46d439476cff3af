/** `raw`, all callers on one connection: only where nobody waits for a lock. */
import type { Open } from "../../harness/Contender.ts"
import { connected, on } from "./raw.ts"

export const open: Open = async (url) => on(await connected(url))
