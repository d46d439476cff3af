import { LeaseStore } from "heddle/coordination"

/** The group lives in this process. */
export const layer = LeaseStore.layerMemory
