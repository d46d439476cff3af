import { KvStore } from "heddle/coordination"

/** The keys live in this process. */
export const layer = KvStore.layerMemory
