import { JobStore } from "heddle/messaging"

/** The queue lives in this process. */
export const layer = () => JobStore.layerMemory
