import { LeaseStore } from "heddle/coordination"

/** The lease lives in this process. */
export const layer = LeaseStore.layerMemory
