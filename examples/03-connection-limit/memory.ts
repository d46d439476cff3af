import { LeaseStore } from "heddle/coordination"

/** The permits live in this process. */
export const layer = LeaseStore.layerMemory
