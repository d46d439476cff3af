import { LeaseStore } from "heddle/coordination"

/** The locks live in this process. */
export const layer = LeaseStore.layerMemory
