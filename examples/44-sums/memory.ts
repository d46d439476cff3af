import { JobStore } from "heddle/messaging"

/** The queues live in this process. */
export const layer = () => JobStore.layerMemory
