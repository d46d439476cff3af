import { LeaseStore } from "heddle/coordination"

/** The lock lives in this process. */
export const layer = () => LeaseStore.layerMemory
